"""`glassline convert` says what it wrote, and why it could not."""

import json
from pathlib import Path

import pytest
import torch

from glass_core.network.checkpoint import read_info
from tests.official import heads
from tools.cli import main


def test_the_verb_tells_what_it_wrote_and_why_it_could_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, run = tmp_path / "ckpt_best_615.pth", tmp_path / "run"
    torch.save(heads(), checkpoint)
    words = ["convert", str(checkpoint), str(run), "--backbone", "embedded"]
    assert main([*words, "--json"]) == 0
    sha = read_info(run).weights_sha
    said = {"schema": 1, "source": str(checkpoint), "target": str(run), "arch": "embedded", "weights_sha": sha}
    assert json.loads(capsys.readouterr().out) == said
    assert main(["convert", str(run), str(tmp_path / "back.pth")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/back.pth: embedded, weights {sha[:16]}\n"
    assert main(words) == 2
    assert capsys.readouterr().err == f"glassline: a model lies there already, {run}, choose another folder\n"
