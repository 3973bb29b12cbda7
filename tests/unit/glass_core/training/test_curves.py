"""The picture of a training's course."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.network.checkpoint import EpochFigures
from glass_core.training.curves import CURVES_PICTURE, write_curves


def curve(epochs: int, every: int = 2) -> list[EpochFigures]:
    return [
        EpochFigures(
            epoch=n, loss=1 / n, p_true=0.9, p_fake=1 - 0.5 / n,
            **({"selection_auroc": 1 - 0.2 / n, "selection_good_q99": 0.1} if n % every == 0 else {}),
        )
        for n in range(1, epochs + 1)
    ]  # fmt: skip


def drawn(path: Path, epochs: int, selected: int | None, every: int = 2) -> np.ndarray:
    write_curves(path / CURVES_PICTURE, curve(epochs, every), selected)
    picture = cv2.imread(str(path / CURVES_PICTURE))
    assert picture is not None and min(picture.shape[:2]) >= 600
    return picture


@pytest.mark.parametrize("epochs", [1, 9])
def test_every_epoch_moves_the_picture(tmp_path: Path, epochs: int) -> None:
    assert (drawn(tmp_path, epochs, None) != drawn(tmp_path, epochs + 1, None)).any()


def test_the_epoch_that_is_the_model_is_marked(tmp_path: Path) -> None:
    unmarked, third = drawn(tmp_path, 6, None), drawn(tmp_path, 6, 3)
    assert (unmarked != third).any() and (third != drawn(tmp_path, 6, 5)).any()


def test_without_held_out_tiles_it_is_drawn_too(tmp_path: Path) -> None:
    assert (drawn(tmp_path, 3, 3, every=4) < 128).any(), "a blank sheet"
