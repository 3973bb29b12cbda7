"""`glassline train` on a little cloth: a model, a contact sheet, and exclusions that count the next time."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

import calibration.model_card
import glass_core.training.train
from glass_core.config import SplitFractions
from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.events import keep_quiet
from glass_core.pictures.exclusions import write_exclusions
from glass_core.pictures.split import file_sha256, load_split, split
from glass_core.training.train import leave_out_marked
from glass_core.training.training_state import STATE_FILE
from tools.cli import main

CONFIG = """\
train:
  profile: quick
  backbone: embedded
  tile_px: 64
  border_px: 8
  overlap_px: 16
  inspect_x_px: [8, 136]
  epochs: 1
  iterations_per_epoch: 1
  lr: 1.0e-4
  batch_tiles: 2
  split: {train: 0.5, calibration: 0.25, selection: 0.25}
"""


@pytest.fixture
def cloth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GLASSLINE_TEXTURES", raising=False)
    for module in (glass_core.training.train, calibration.model_card):  # OpenVINO's conversion leaves threads of its own
        monkeypatch.setattr(module, "load_engine", partial(load_engine, backend="torch"))
    rng = np.random.default_rng(0)
    folder = tmp_path / "good"
    folder.mkdir()
    for index in range(8):
        woven = 120 + 30 * np.sin(np.arange(136) / 2)[None, :] + rng.normal(0, 5, (64, 136))
        cv2.imwrite(str(folder / f"{index}.png"), woven.clip(0, 255).astype(np.uint8))
    (tmp_path / "train.yaml").write_text(CONFIG)
    return folder


def train(cloth: Path) -> int:
    run, config = cloth.parent / "run", cloth.parent / "train.yaml"
    return main(["train", str(cloth), "--out", str(run), "--config", str(config), "--append", "--json"])


def test_train_then_calibrate(cloth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(cloth) == 0
    output = capsys.readouterr()
    (line,) = output.out.splitlines()  # exactly one JSON object on stdout
    facts = json.loads(line)
    assert facts["schema"] == 1 and facts["backbone"] == "embedded" and facts["epochs"] == 1
    assert (facts["train"], facts["calibration"], facts["selection"]) == (4, 2, 2)
    assert "not a trained network" in output.err
    assert "threshold card" not in output.err
    run = cloth.parent / "run"
    assert cv2.imread(facts["contact_sheet"]) is not None

    assert main(["calibrate", "threshold", str(run), str(cloth), "--false-alarms-per-1000-frames", "50", "--json"]) == 0
    output = capsys.readouterr()
    card = json.loads(output.out)
    assert card["frames"] == 4 and "4 pictures are left out: the model was trained on them" in output.err
    assert card["provisional"] and all(0 < threshold < 1 for threshold in card["thresholds"])
    assert card["model"]["score_definition"]["inspect_x_px"] == [8, 136]
    assert card["model"]["backbone"] == "embedded"
    assert load_split(run).train[0].sha256[:16] in Path(facts["exclude"]).read_text()


def test_a_training_that_leaves_too_little_for_a_card_says_so(cloth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for image in sorted(cloth.iterdir())[3:]:
        image.unlink()
    assert train(cloth) == 0
    warning = "warning: 2 pictures kept for the threshold card give 6 scores, it needs 8"
    assert warning in " ".join(capsys.readouterr().err.split())
    assert main(["calibrate", "threshold", str(cloth.parent / "run")]) == 2
    assert "only 2 good frames (6 lane scores)" in capsys.readouterr().err.splitlines()[-1]


def test_marked_pictures_are_left_out_and_a_training_that_saw_them_begins_anew(cloth: Path, tmp_path: Path) -> None:
    images = sorted(cloth.iterdir())
    run = tmp_path / "run"
    run.mkdir()
    state = run / STATE_FILE
    keys = [file_sha256(image)[:16] for image in images]

    def mark(key: str) -> None:
        write_exclusions(run, "training", [(each, "a tile") for each in keys])
        exclude = run / "exclude.txt"
        exclude.write_text(exclude.read_text().replace(f"# {key}", key))

    split(images[:6], SplitFractions(), 0).save(run)
    state.touch()
    assert leave_out_marked(images, run, keep_quiet) == images and state.exists()
    mark(keys[7])  # the training did not see it
    assert leave_out_marked(images, run, keep_quiet) == images[:7] and state.exists()
    mark(keys[2])
    assert leave_out_marked(images, run, keep_quiet) == [*images[:2], *images[3:7]] and not state.exists()
    for key in keys:
        mark(key)
    with pytest.raises(InputError, match=r"^every good picture is marked, [^\n]+$"):
        leave_out_marked(images, run, keep_quiet)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "{tmp}/nowhere", "--out", "{tmp}/run"], "no such folder"),
        (["train", "{tmp}/good", "--out", "{tmp}/run", "--config", "{tmp}/nowhere.yaml"], "nowhere.yaml"),
        (["calibrate", "threshold", "{tmp}/run"], "no trained model"),
        (["train", "{tmp}/good"], "--out"),
        (["train", "{tmp}/good", "--out", "{tmp}/train.yaml", "--config", "{tmp}/train.yaml"], "not a folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    cloth: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    try:
        status = main([word.format(tmp=cloth.parent) for word in arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    output = capsys.readouterr()
    assert status == 2 and output.out == ""
    assert output.err.startswith("glassline: ") and words in output.err and output.err.count("\n") == 1


def test_pictures_narrower_than_the_inspected_range_are_refused(cloth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, path in enumerate(sorted(cloth.iterdir())):
        cv2.imwrite(str(path), np.full((64, 100), index, np.uint8))
    assert train(cloth) == 2
    assert "inspect_x_px [8, 136]" in capsys.readouterr().err
