"""The best on test: the official choice, taken up after an interruption, and never that of another training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glass_core.training.state_scorer
from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_tensors, write_tensors
from tools.reproduce.best_on_test import BEST_FILE, LABEL, BestOnTest

FIGURES = {1: (0.9, 0.8), 2: (0.7, 0.95), 3: (0.8, 0.9), 4: (0.8, 0.95), 5: (0.95, 0.8), 6: (0.6, 0.6)}
"""Image and pixel AUROC of each epoch: 4 has the highest sum, 5 an equal one."""


class Scorer:
    """Knows which epoch's state lies there."""

    def __init__(self, config: TrainConfig) -> None:
        self.epoch = 0

    def take_up(self, state: Path) -> None:
        self.epoch = int(read_tensors(state)[0]["epoch"])


@pytest.fixture(autouse=True)
def scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glass_core.training.state_scorer, "StateScorer", Scorer)


def best(run: Path, every: int = 1) -> BestOnTest:
    def figures_of(scorer: Any) -> dict[str, float | None]:
        image, pixel = FIGURES[scorer.epoch]
        return {"image_auroc": image, "pixel_auroc": pixel, "pro_official": None}

    return BestOnTest(every, TrainConfig(), run, figures_of)


def finish(run: Path, epoch: int, identity: str = "one", loss: float = 1.0) -> None:
    """Leaves the state of a training, which lost so much in each epoch."""
    curve = json.dumps([{"epoch": each + 1, "loss": loss} for each in range(epoch)])
    write_tensors(run / "state.safetensors", {"epoch": np.array(epoch)}, {"identity": identity, "curve": curve})


def train(found: BestOnTest, run: Path, epochs: range) -> None:
    found.begin(epochs.start - 1)
    for epoch in epochs:
        finish(run, epoch)
        found.after(epoch)


def test_it_is_the_first_epoch_with_the_highest_sum(tmp_path: Path) -> None:
    found = best(tmp_path)
    train(found, tmp_path, range(1, 7))
    assert found.found
    wanted = {
        "image_auroc": 0.8,
        "pixel_auroc": 0.95,
        "pro_official": None,
        "epoch": 4,
        "evaluated": 6,
        "last": 6,
        "use": LABEL,
    }
    assert found.found == {**wanted, "training": found.found["training"]} == json.loads((tmp_path / BEST_FILE).read_text())


def test_only_every_nth_epoch_is_evaluated(tmp_path: Path) -> None:
    found = best(tmp_path, 3)
    train(found, tmp_path, range(1, 7))
    assert found.found and (found.found["epoch"], found.found["evaluated"]) == (3, 2)


def test_it_is_taken_up_after_an_interruption(tmp_path: Path) -> None:
    train(best(tmp_path), tmp_path, range(1, 5))
    later = best(tmp_path)
    train(later, tmp_path, range(5, 7))
    assert later.found and (later.found["epoch"], later.found["evaluated"]) == (4, 6)


def test_an_epoch_that_was_saved_and_not_evaluated_is_evaluated_first(tmp_path: Path) -> None:
    train(best(tmp_path), tmp_path, range(1, 4))
    finish(tmp_path, 4)  # interrupted here
    later = best(tmp_path)
    train(later, tmp_path, range(5, 7))
    assert later.found and (later.found["epoch"], later.found["evaluated"]) == (4, 6)


def test_figures_of_a_training_whose_state_is_gone_are_dropped(tmp_path: Path) -> None:
    train(best(tmp_path), tmp_path, range(1, 5))
    again = best(tmp_path)
    again.begin(0)
    assert not (tmp_path / BEST_FILE).exists()
    train(again, tmp_path, range(1, 2))
    assert again.found and (again.found["epoch"], again.found["evaluated"]) == (1, 1)


@pytest.mark.parametrize("other", [{"identity": "two"}, {"loss": 2.0}])
def test_figures_of_another_training_are_dropped(tmp_path: Path, other: dict[str, Any]) -> None:
    train(best(tmp_path), tmp_path, range(1, 5))
    finish(tmp_path, 4, **other)  # trained anew, without the test set
    again = best(tmp_path)
    again.begin(4)
    assert again.found and (again.found["epoch"], again.found["evaluated"]) == (4, 1)
    again.begin(4)
    assert again.found["evaluated"] == 1


@pytest.mark.parametrize("text", ['{"epoch": 1', "[]", "{}", '{"epoch": 0, "last": 0}', " " * (1 << 20) + "{}"])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / BEST_FILE).write_text(text)
    with pytest.raises(InputError, match=rf"^damaged [^\n]+, {tmp_path / BEST_FILE}, delete it$"):
        best(tmp_path).begin(1)
