"""The two forms of an iteration that `tools.studies.training` times compute the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tools.studies.iteration_form
from glass_core.backbones import backbone
from tools.studies.iteration_form import made

pytestmark = pytest.mark.full


@pytest.fixture
def trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights of a ResNet-18, and one tile an iteration."""
    torch.manual_seed(0)
    torch.save(backbone("resnet18").build((2, 3)).state_dict(), tmp_path / "resnet18.pth")
    monkeypatch.setenv("GLASSLINE_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(tools.studies.iteration_form, "BATCH_TILES", 1)


@pytest.mark.usefixtures("trunk")
def test_both_forms_have_the_same_losses(tmp_path: Path) -> None:
    losses = {}
    for form in ("ours", "official"):
        (tmp_path / form).mkdir()
        iteration, first_pass_s = made(form, "resnet18", "fp32", tmp_path / form)
        assert first_pass_s > 0
        timed = [iteration(number) for number in range(2)]
        assert all(centre_s >= 0 and iteration_s > 0 for centre_s, iteration_s, _ in timed)
        losses[form] = [loss for _, _, loss in timed]
    assert losses["ours"] == pytest.approx(losses["official"], rel=1e-4)
    assert losses["ours"][0] != losses["ours"][1]


@pytest.mark.usefixtures("trunk")
def test_a_form_answers_each_number_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    words = [sys.executable, "-m", "tools.studies.iteration_form", "ours"]
    said = subprocess.run(words, input="0\n", capture_output=True, text=True, check=True, timeout=300).stdout.splitlines()
    ready, answer = map(json.loads, said)
    assert ready["first_pass_s"] > 0 and set(answer) == {"centre_s", "iteration_s", "loss"}
    assert list((tmp_path / "tmp").iterdir()) == []
