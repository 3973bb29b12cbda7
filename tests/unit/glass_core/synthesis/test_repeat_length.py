"""The repeat of a pattern is found, not that of its yarns; what does not repeat has none."""

import numpy as np
import pytest

from glass_core.synthesis.repeat_length import repeat_length


def cloth(across: int, along: int, pitch: int = 5, noise: float = 6, size: tuple[int, int] = (300, 420)) -> np.ndarray:
    """Yarns under a pattern of stripes in both directions, of which each repeat has two unlike ones."""
    y, x = np.mgrid[: size[0], : size[1]]
    yarns = 15 * np.cos(2 * np.pi * x / pitch) + 15 * np.cos(2 * np.pi * y / pitch)
    stripes = 30 * ((x % across) < across / 4) + 20 * ((y % along) < along / 3)
    return (100 + yarns + stripes + np.random.default_rng(0).normal(0, noise, size)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("across", "along"), [(60, 40), (150, 90), (35, 120)])
def test_the_repeat_of_the_pattern_is_found(across: int, along: int) -> None:
    picture = cloth(across, along)
    assert repeat_length([picture]) == (along, across)
    assert repeat_length([np.dstack([picture] * 3)]) == (along, across)


def test_plain_weave_repeats_with_its_yarns() -> None:
    y, x = np.mgrid[:200, :240]
    weave = 128 + 40 * np.cos(2 * np.pi * x / 8) * np.cos(2 * np.pi * y / 6)
    assert repeat_length([weave.astype(np.uint8)]) == (6, 8)


@pytest.mark.parametrize("size", [(64, 64), (2, 3)])
def test_noise_and_even_cloth_have_none(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, size).astype(np.uint8)
    assert repeat_length([noise]) == (None, None)
    assert repeat_length([np.full(size, 9, np.uint8)]) == (None, None)
    assert repeat_length([]) == (None, None)


def test_of_several_pictures_the_longest_counts() -> None:
    assert repeat_length([cloth(60, 40), cloth(150, 90)]) == (90, 150)
