"""Texture operations equal PIL's to one grey level."""

import numpy as np
import pytest

from glass_core.synthesis import texture_ops
from tests.shared_data import shared

GOLDEN_NAMES = [
    *("contrast_1.2", "contrast_0.8", "brightness_1.2", "brightness_0.8", "saturation_1.2", "saturation_0.8"),
    *("hue_0.2", "hue_-0.1", "hflip", "vflip", "grayscale", "autocontrast", "equalize", "rotate_30", "rotate_-45"),
]
FLIPS = {"hflip": "horizontal_flip", "vflip": "vertical_flip"}


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_operation_equals_the_official_one(name: str) -> None:
    golden = np.load(shared("goldens/texture_ops.npz"))
    operation, _, parameter = name.partition("_")
    result = getattr(texture_ops, FLIPS.get(operation, operation))(golden["input"], *map(float, parameter.split()))
    assert result.dtype == np.uint8
    assert np.abs(result.astype(int) - golden[name]).max() <= 1


@pytest.mark.parametrize("level", [0, 77, 255])
@pytest.mark.parametrize("operation", ["grayscale", "autocontrast", "equalize"])
def test_an_even_image_stays_as_it_is(operation: str, level: int) -> None:
    even = np.full((16, 20, 3), level, np.uint8)
    np.testing.assert_array_equal(getattr(texture_ops, operation)(even), even)


def test_autocontrast_reaches_both_ends_of_each_channel() -> None:
    image = np.random.default_rng(0).integers(50, 120, (32, 32, 3), dtype=np.uint8)
    stretched = texture_ops.autocontrast(image)
    assert stretched.min(axis=(0, 1)).tolist() == [0, 0, 0]
    assert stretched.max(axis=(0, 1)).tolist() == [255, 255, 255]


def test_a_quarter_turn_is_clockwise_and_loses_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(texture_ops.rotate(image, 90), np.rot90(image, -1))


def test_hue_goes_round() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[:, :, 0] = 255
    assert texture_ops.hue(red, 1 / 3)[0, 0].argmax() == 1  # green
    assert texture_ops.hue(red, -1 / 3)[0, 0].argmax() == 2  # blue


def test_three_random_operations_follow_the_generator_and_vary() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    results = [texture_ops.random_ops(image, np.random.default_rng(seed)) for seed in range(30)]
    np.testing.assert_array_equal(results[3], texture_ops.random_ops(image, np.random.default_rng(3)))
    assert {result.shape for result in results} == {image.shape}
    assert len({result.tobytes() for result in results}) > 25


def test_saturation_and_hue_come_in_either_order_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name in ("saturation", "hue"):
        monkeypatch.setattr(texture_ops, name, lambda image, amount, name=name: called.append(name) or image)
    for seed in range(600):
        called.append(".")
        texture_ops.random_ops(np.zeros((4, 4, 3), np.uint8), np.random.default_rng(seed))
    drawn = [names for names in "".join(name[0] for name in called).split(".") if names]
    assert set(drawn) == {"sh", "hs"} and 0.4 < drawn.count("sh") / len(drawn) < 0.6
