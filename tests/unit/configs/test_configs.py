"""Every shipped configuration is valid and begins with the command that uses it."""

from pathlib import Path

import pytest

from glass_core.config import load_train_config
from pipeline.config.cards import load_config
from tests.shared_data import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_it_is_valid_and_says_how_it_is_used(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and "glassline " in first and path.name in first
    load_config(path)
    load_train_config(path)


def test_there_are_some() -> None:
    assert {"aitex.yaml", "line.yaml", "weave.yaml"} <= {p.name for p in CONFIGS}
