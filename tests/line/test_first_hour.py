"""From an empty folder with footage to a graded roll: each command is the one that the command before it has named."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import cv2
import pytest
import torch

from tests.line.conftest import good_frame
from tools.cli import main

pytestmark = pytest.mark.full

MAX_COMMANDS = 10
FRAMES = 30
TRAIN = """
train: {profile: quick, backbone: embedded, tile_px: 64, epochs: 1, iterations_per_epoch: 3, batch_tiles: 2}
"""
"""The least that is a training at all, and needs no file."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Footage of 120 px rows, the last but one with a hole."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(2)
    (tmp_path / "my footage").mkdir()
    for number in range(FRAMES):
        pixels = good_frame(number).copy()
        if number == FRAMES - 2:
            pixels[40:70, 100:130] = 255
        cv2.imwrite(str(tmp_path / "my footage" / f"{number:03d}.png"), pixels)
    return tmp_path


def said_next(out: str) -> list[str]:
    """The words of the only command that is named."""
    (line,) = [line for line in out.splitlines() if line.startswith("next: ")]
    program, *words = shlex.split(line.removeprefix("next: "))
    assert program == "glassline"
    return words


def test_each_command_names_the_next_until_the_roll_is_graded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "init", "--kind", "replay", "--name", "loom-3", "--footage", "my footage", "--mm-per-px", "0.2",
        "--width-mm", "unknown", "--speed-m-min", "12", "--outputs", "none",
    ]  # fmt: skip
    done: list[str] = []
    while words[0] not in ("review", "page"):
        assert len(done) < MAX_COMMANDS, done
        assert main(words) == 0, capsys.readouterr().err
        done.append(words[0])
        words = said_next(capsys.readouterr().out)
        if done == ["init"]:
            with Path("line.yaml").open("a") as config:
                config.write(TRAIN)
    assert done == ["init", "validate", "train", "calibrate", "replay", "report"]
    (roll,) = json.loads(Path("out/loom-3/report.json").read_text())["rolls"]
    assert roll["roll_id"] == "R-0001" and roll["grade"]["quality"] in ("first", "second", "open")
    assert roll["inspected_m"] == pytest.approx(FRAMES * 128 * 0.2 / 1000)
    card = json.loads(Path("runs/loom-3/card.json").read_text())
    assert card["mm_per_px"] == 0.2, "the scale of the line"
    assert Path("runs/loom-3/training.png").stat().st_size > 10_000
