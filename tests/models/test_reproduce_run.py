"""`tools.reproduce` from pictures to tables on a little data set: the best on test beside the last epoch."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import glass_core.evaluation.evaluate
import glass_core.training.fit
import tools.cli
import tools.reproduce.best_on_test
import tools.reproduce.jobs
import tools.reproduce.weak_sets
from glass_core.engines import load_engine
from glass_core.network.checkpoint import read_info
from tools.reproduce.__main__ import main

pytestmark = pytest.mark.full

LABEL = "best on test, for comparison only"
CONFIG = """\
train:
  backbone: embedded
  epochs: 3
  iterations_per_epoch: 1
  batch_tiles: 1
  rows_per_tile: 64
  step: 5
  lr: 0.003
"""


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One class of 288 px pictures, and a short training of the filter bank on it."""
    monkeypatch.delenv("GLASSLINE_TEXTURES", raising=False)
    # OpenVINO's conversion leaves threads of its own
    for module in (tools.reproduce.jobs, tools.reproduce.weak_sets, glass_core.evaluation.evaluate):
        monkeypatch.setattr(module, "load_engine", partial(load_engine, backend="torch"))
    rng = np.random.default_rng(0)
    for name in ("train/good/0", "train/good/1", "test/good/0", "test/good/1", "test/spot/0", "test/spot/1"):
        picture, mask = rng.normal(120, 12, (288, 288)), np.zeros((288, 288), np.uint8)
        folder = tmp_path / "mine/cloth" / name
        if "spot" in name:
            mask[100:140, 90:150] = 255
            picture[mask > 0] += 12
            truth = tmp_path / "mine/cloth/ground_truth/spot" / f"{folder.name}.png"
            truth.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(truth), mask)
        folder.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"{folder}.png", picture.clip(0, 255).astype(np.uint8))
    (tmp_path / "own.yaml").write_text(CONFIG)
    return [str(tmp_path / "mine"), "--tables", "3", "1", "--config", str(tmp_path / "own.yaml"), "--seeds", "1", "--append"]


def reproduced(arguments: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], Path]:
    assert main([*arguments, "--out", str(out)]) == 0
    return json.loads(capsys.readouterr().out), out / "m/cloth/seed1"


def test_the_best_on_test_stands_beside_the_last_epoch_which_stays_the_model(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, without = reproduced(arguments, tmp_path / "plain", capsys)
    assert not (without / "best_on_test.json").exists() and LABEL not in json.dumps(plain["rows"])
    shown, run = reproduced([*arguments, "--best-on-test"], tmp_path / "best", capsys)
    assert read_info(run).weights_sha == read_info(without).weights_sha
    result = json.loads((run / "result.json").read_text())
    best = result["best_on_test"]
    assert best == json.loads((run / "best_on_test.json").read_text()) and best["evaluated"] == 3
    assert best["image_auroc"] + best["pixel_auroc"] >= result["image_auroc"] + result["pixel_auroc"] - 1e-6
    assert f"cloth GLASS-m, {LABEL}" in [row["row"] for row in shown["rows"]]
    assert "epochs 3, preset 640" in shown["deviations"]
    assert not any("officially 640" in words for words in shown["deviations"])

    after = tools.reproduce.best_on_test.BestOnTest.after
    seen: list[int] = []

    def interrupted(self: tools.reproduce.best_on_test.BestOnTest, epoch: int) -> None:
        if epoch == 2 and not seen:
            seen.append(epoch)
            raise KeyboardInterrupt  # its state is saved, its figures are not had yet
        after(self, epoch)

    monkeypatch.setattr(tools.reproduce.best_on_test.BestOnTest, "after", interrupted)
    assert main([*arguments, "--best-on-test", "--out", str(tmp_path / "twice")]) == 130
    assert json.loads((tmp_path / "twice/m/cloth/seed1/best_on_test.json").read_text())["evaluated"] == 1
    _, again = reproduced([*arguments, "--best-on-test"], tmp_path / "twice", capsys)
    assert json.loads((again / "result.json").read_text())["best_on_test"] == best


def test_figures_are_those_of_evaluate_for_a_model_of_other_crops(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(CONFIG.replace("epochs: 3", "epochs: 1") + "  resize_px: 400\n")
    (tmp_path / "MAD-sys/Beta_0.1").mkdir(parents=True)
    (tmp_path / "MAD-sys/Beta_0.1/cloth").symlink_to(tmp_path / "mine/cloth")
    weak = ["--tables", "3", "--best-on-test", "--weak", str(tmp_path / "MAD-sys")]
    _, run = reproduced([*arguments, *weak], tmp_path / "out", capsys)
    assert tools.cli.main(["evaluate", str(run), str(tmp_path / "mine/cloth"), "--protocol", "official", "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    kept = json.loads((run / "result.json").read_text())
    on_weak = json.loads((run / "weak.json").read_text())["parts"]["MAD-sys/Beta_0.1"]
    for figure in ("image_auroc", "pixel_auroc", "pro_official"):
        assert kept[figure] == on_weak[figure] == evaluated[figure]
        assert kept["best_on_test"][figure] == pytest.approx(evaluated[figure], abs=1e-4)


def test_an_unfinished_training_with_other_settings_ends_it(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(glass_core.training.fit, "save_model", stop)
        assert main([*arguments, "--out", str(tmp_path / "out")]) == 130
    (tmp_path / "own.yaml").write_text(CONFIG.replace("0.003", "0.001"))
    capsys.readouterr()
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert "a training with other settings or pictures lies there" in capsys.readouterr().err


def test_a_class_without_its_foreground_masks_is_not_run(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(CONFIG + "  foreground: fg_mask\n")
    facts, _ = reproduced(arguments, tmp_path / "out", capsys)
    assert "no folder fg_mask/<class> beside the data" in facts["not_run"]["m cloth seed 1"] and facts["waiting"] == 2
