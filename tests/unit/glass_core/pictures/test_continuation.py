"""Continuing cloth: whole repeats, nothing invented, the same everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_core.pictures.continuation import continued


def periodic(period: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Rows that come again after `period`, each unlike the others."""
    rows = np.random.default_rng(seed).integers(0, 256, (period, width), dtype=np.uint8)
    return rows[np.arange(height) % period]


@settings(deadline=None)
@given(st.integers(16, 60), st.integers(0, 70), st.integers(0, 70), st.integers(0, 5))
def test_a_regular_weave_goes_on_as_it_would_have(period: int, before: int, after: int, seed: int) -> None:
    whole = periodic(period, 150 + 140, 40, seed)
    np.testing.assert_array_equal(continued(whole[70:220], before, after), whole[70 - before : 220 + after])
    np.testing.assert_array_equal(continued(whole[70:220].T, 0, 0, before, after), whole[70 - before : 220 + after].T)


def test_a_short_repeat_is_met_by_a_multiple_of_it() -> None:
    whole = periodic(5, 300, 30)
    np.testing.assert_array_equal(continued(whole[100:200], 16, 16), whole[84:216])


@pytest.mark.parametrize("shape", [(1, 1), (5, 90), (90, 5), (27, 28), (64, 64, 3)])
def test_any_picture_can_be_continued_and_stays_what_it_was(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    out = continued(picture, 16, 40, 24, 8)
    assert out.shape == (shape[0] + 56, shape[1] + 32, *shape[2:])
    np.testing.assert_array_equal(out[16 : 16 + shape[0], 24 : 24 + shape[1]], picture)


def test_without_a_continuation_it_is_the_same_picture() -> None:
    picture = np.zeros((50, 50), np.uint8)
    assert continued(picture, 0, 0) is picture
