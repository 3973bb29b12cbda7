"""A checkpoint as the official code leaves it."""

from pathlib import Path

import pytest
import torch

from tests.official import heads


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official") / "ckpt_best_615.pth"
    torch.save(heads(), path)
    return path
