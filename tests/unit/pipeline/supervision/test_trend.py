"""Growth is told from noise, steps, spikes and warming up, and carried on to 30 days."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.supervision.trend import DAY_S, Trend, trend

DAYS = np.linspace(0, 2, 2000)


def found(values: np.ndarray, allowed: float = 10.0, grain: float = 2.0, days: np.ndarray = DAYS) -> Trend:
    of = trend((days * DAY_S).tolist(), values.tolist(), allowed, grain)
    assert of is not None
    return of


def noise(scale: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, DAYS.size)


def test_a_leak_in_noise_is_found_with_its_slope() -> None:
    of = found(100 + 25 * DAYS + noise(5))
    assert of.grows and of.per_day == pytest.approx(25, rel=0.1) and of.low_per_day < of.per_day < of.high_per_day
    assert of.level == pytest.approx(100 + 25 * 1.5, rel=0.02)
    assert of.in_30_days == pytest.approx(of.level + 30 * of.per_day) and of.allowed_per_day == 10


@pytest.mark.parametrize("slope", [-25.0, 0.0, 8.0])
def test_less_than_is_allowed_is_no_leak(slope: float) -> None:
    assert not found(100 + slope * DAYS + noise(1)).grows


def test_it_is_the_lower_end_that_counts() -> None:
    of = found(100 + 11 * DAYS + noise(20))
    assert of.per_day > 5 and of.low_per_day < 10 and not of.grows


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_does_not_grow(seed: int) -> None:
    of = found(noise(30, seed), allowed=0.0, grain=0.0)
    assert not of.grows and of.low_per_day < 0 < of.high_per_day


def test_warming_up_single_steps_and_spikes_are_no_growth() -> None:
    warm = np.where(DAYS < 0.9, 1000 * DAYS, 900)
    step = np.where(DAYS < 1.3, 10.0, 60.0)
    spiked = np.where(np.arange(DAYS.size) % 97 == 0, 1e6, 5.0)
    assert [found(values, allowed=0.0).grows for values in (warm, step, spiked)] == [False] * 3


def test_a_short_look_says_how_little_it_sees() -> None:
    short = DAYS / 1000  # about three minutes
    of = found(100 + 1000 * short, days=short)
    assert of.low_per_day > 10 and not of.grows and of.seen_from_per_day == pytest.approx(2000, rel=0.05)
    assert found(100 + 2500 * short, days=short).grows


def test_what_shrinks_does_not_become_less_than_nothing() -> None:
    assert found(100 - 25 * DAYS).in_30_days == 0


@pytest.mark.parametrize("n", [0, 1, 14])
def test_too_few_values_tell_nothing(n: int) -> None:
    assert trend(range(n), range(n), 0, 0) is None
    assert trend(range(15), range(15), 0, 0) is not None
