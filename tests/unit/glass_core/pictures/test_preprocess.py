"""The paper's geometry equals torchvision on PIL images."""

import numpy as np
import pytest

from glass_core.pictures.preprocess import preprocess, preprocess_mask
from tests.shared_data import shared

STD = np.array([0.229, 0.224, 0.225])[:, None, None]


@pytest.mark.parametrize("index", range(3))
def test_images_equal_the_official_tensors(index: int) -> None:
    golden = np.load(shared("goldens/preprocess.npz"))
    levels = (preprocess(golden[f"pixels_{index}"]) - golden[f"tensor_{index}"]) * STD * 255
    assert np.abs(levels).max() < 1e-3


def test_masks_stay_soft() -> None:
    golden = np.load(shared("goldens/preprocess.npz"))
    mask = preprocess_mask(golden["mask_pixels"])
    np.testing.assert_allclose(mask, golden["mask_tensor"][0], atol=1e-6)
    assert ((mask > 0) & (mask < 1)).any()


def test_grey_is_three_equal_channels_before_normalisation() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (40, 64), dtype=np.uint8)
    colour = np.stack([grey] * 3, axis=2)
    np.testing.assert_array_equal(preprocess(grey, 32, 32), preprocess(colour, 32, 32))


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    grey = np.full((32, 32), 255, np.uint8)
    np.testing.assert_allclose(
        preprocess(grey, 32, 32)[:, 0, 0], [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225], rtol=1e-6
    )
