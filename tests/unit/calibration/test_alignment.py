"""Neighbours are aligned by what both see, and not by cloth that repeats itself."""

from pathlib import Path

import numpy as np
import pytest

from calibration import align
from glass_core.errors import InputError
from tests.references import picture, two_views


def files(folder: Path, left: np.ndarray, right: np.ndarray) -> tuple[Path, Path]:
    return picture(folder / "left.png", left), picture(folder / "right.png", right)


def test_the_right_camera_lies_where_the_cloth_says(tmp_path: Path) -> None:
    left, right = two_views()
    card, shown = align(*files(tmp_path, left, right), 90, "left", (0.2, 0.5), "right", "4711")
    assert (card.right_mm, card.up_mm) == (pytest.approx(84, abs=0.05), pytest.approx(-2.5, abs=0.1)) and card.fit > 0.9
    assert (card.camera, card.serial, card.neighbour, card.width_px) == ("right", "4711", "left", 480)
    assert shown.shape == (105, 900, 3) and not shown[..., 0].any()
    assert np.array_equal(shown[5:, :500, 2], left) and np.array_equal(shown[:100, 420:, 1], right)
    assert np.array_equal(shown[5:100, 420:500, 1], shown[5:100, 420:500, 2]), "what both see alike is yellow"


def test_cloth_that_repeats_itself_and_a_neighbour_without_scale_are_refused(tmp_path: Path) -> None:
    yarn = (128 + 100 * np.sin(np.arange(900) * 2 * np.pi / 8)).astype(np.uint8)[None].repeat(120, axis=0)
    with pytest.raises(InputError, match="several places"):
        align(*files(tmp_path, yarn[:, :500], yarn[:, 420:]), 90, "left", (0.2, 0.2), "right")
    with pytest.raises(InputError, match="no scale, camera left"):
        align(*files(tmp_path, *two_views()), 90, "left", (0.2, None), "right")
