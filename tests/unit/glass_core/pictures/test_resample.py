"""Resizing equals Pillow's to the last grey level, and gives what can be computed by hand."""

import numpy as np
import pytest

from glass_core.pictures.resample import resize

SIZES = [  # from (H, W[, 3]) to (height, width)
    ((37, 410, 3), (19, 219)),
    ((410, 37), (219, 19)),
    ((100, 61, 3), (288, 176)),
    ((64, 1024), (96, 72)),
    ((1024, 64), (72, 96)),
    ((9, 1), (4, 7)),
    ((20, 30, 3), (20, 30)),
]


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_each_level_is_pillows(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    pillow = pytest.importorskip("PIL.Image", exc_type=ImportError)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    # Two steps: Pillow's newer versions choose which way comes first, and the authors' always took this one.
    across = pillow.fromarray(image).resize((size[1], shape[0]), pillow.Resampling.BILINEAR)
    np.testing.assert_array_equal(resize(image, *size), across.resize(size[::-1], pillow.Resampling.BILINEAR))


@pytest.mark.parametrize(("shape", "size"), [((37, 410), (19, 219)), ((100, 61), (288, 176))])
def test_a_float_is_rounded_nowhere_as_with_pillow(shape: tuple[int, int], size: tuple[int, int]) -> None:
    pillow = pytest.importorskip("PIL.Image", exc_type=ImportError)
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    image[:, ::2] = 0
    wanted = pillow.fromarray(image).resize(size[::-1], pillow.Resampling.BILINEAR)
    np.testing.assert_allclose(resize(image, *size), wanted, atol=1e-6)


def test_levels_by_hand() -> None:
    row = np.array([[0, 7, 0, 0]], np.uint8)  # weights 3 3 1 0 and 0 1 3 3, of sevenths
    assert resize(row, 1, 2).tolist() == [[3, 1]]
    assert resize(row.T, 2, 1).tolist() == [[3], [1]]
    assert resize(np.array([[0, 100]], np.uint8), 1, 4).tolist() == [[0, 25, 75, 100]]


def test_a_stripe_far_finer_than_a_pixel_of_the_result_is_averaged_away() -> None:
    stripes = np.tile(np.array([0, 200], np.uint8), (5, 512))
    assert set(resize(stripes, 5, 64)[:, 2:-2].ravel()) == {100}
