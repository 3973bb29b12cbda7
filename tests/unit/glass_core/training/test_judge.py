"""The judge decides as the official code on its nine pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.training.judge import average_picture, judge, write_judgement
from tests.shared_data import shared


def test_decides_as_the_official_code() -> None:
    golden = np.load(shared("goldens/judge.npz"))
    found = [judge(image).hypersphere for image in golden["images"]]
    assert found == [bool(flag) for flag in golden["hypersphere"]], golden["names"]


def disc() -> np.ndarray:
    y, x = np.mgrid[:289, :289] - 144
    return np.where(y**2 + x**2 < 60**2, 40, 255).astype(np.uint8)


def test_an_object_is_a_hypersphere_and_even_cloth_a_manifold() -> None:
    found = judge(disc())
    assert found.hypersphere and found.points > 60 and found.radius > 12 and found.disc_share > 0.21
    grey = judge(np.full((50, 70, 3), 128, np.uint8))  # any size and colour
    assert (grey.hypersphere, grey.points, grey.radius) == (False, 1, 0.0)


def test_a_black_average_does_not_crash() -> None:
    assert judge(np.zeros((32, 32), np.uint8)).points == 0


def test_the_average_counts_each_picture_once_whatever_its_size() -> None:
    found = average_picture(np.full(shape, value, np.uint8) for shape, value in (((40, 90), 0), ((600, 500, 3), 101)))
    assert found.shape == (288, 288, 3) and set(found.ravel()) == {50}  # cut off, not rounded
    with pytest.raises(InputError, match="no pictures"):
        average_picture([])


@pytest.mark.parametrize("turned", [False, True])
def test_a_strip_is_averaged_over_all_its_pixels(turned: bool) -> None:
    strip = np.zeros((256, 4096), np.uint8)
    strip[:, ::16] = 240  # a thread that each of the 288 columns has a part of, or has not
    average = average_picture([strip.T if turned else strip])[..., 0]
    assert average.min() > 5 and average.max() < 25


@pytest.mark.parametrize("average", [disc(), np.zeros((30, 30, 3), np.uint8)])
def test_the_picture_shows_average_spectrum_and_decision(tmp_path: Path, average: np.ndarray) -> None:
    found = judge(average)
    write_judgement(tmp_path / "judge.png", average, found)
    picture = cv2.imread(str(tmp_path / "judge.png"))
    assert picture.shape == (289 + 64, 2 * 289, 3)
    red = (picture[:289, 289:] == (0, 0, 255)).all(axis=2)
    assert red.sum() == found.points
