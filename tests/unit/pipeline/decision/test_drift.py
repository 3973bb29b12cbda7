"""The drift guard: steady cloth is silent, whatever its noise; lamp, focus and scores are told; a style begins anew."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.threshold import GoodLook
from pipeline.decision.drift import BASE, RECENT, Drift


def run(
    drift: Drift, frames: int, level: float = 100.0, texture: float = 8.0, score: float = 0.4, style: str = "", seed: int = 1
) -> str:
    rng = random.Random(seed)
    for _ in range(frames):
        drift.add(style, (level * rng.uniform(0.95, 1.05), texture * rng.uniform(0.9, 1.1), score * rng.uniform(0.8, 1.2)))
    return drift.warning


@given(st.integers(0, 10**6))
def test_steady_cloth_is_silent(seed: int) -> None:
    drift = Drift()
    assert run(drift, BASE, seed=seed) == "" and run(drift, 2 * RECENT, seed=seed + 1) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": 80.0}, "brightness -"),
        ({"level": 125.0}, "brightness +"),
        ({"texture": 5.0}, "texture -"),
        ({"score": 0.8}, "scores of good cloth up from"),
    ],
)
def test_what_drifts_is_told_until_it_is_back(change: dict[str, float], words: str) -> None:
    drift = Drift()
    run(drift, BASE + RECENT)
    assert run(drift, RECENT, **change).startswith(words)  # type: ignore[arg-type]
    assert run(drift, RECENT) == ""


def test_a_new_style_has_a_reference_of_its_own() -> None:
    drift = Drift()
    run(drift, BASE + RECENT)
    assert run(drift, BASE + RECENT, level=200.0, style="white") == ""


def test_the_card_is_the_reference_from_the_first_frame_on() -> None:
    card = GoodLook(level=100.0, texture=8.0, share=0.4, middle_shares=(0.1, 0.2, 0.3))
    assert run(Drift(card), RECENT) == ""
    assert run(Drift(card), RECENT, level=80.0).startswith("brightness -")
    assert run(Drift(card), RECENT, score=0.8).startswith("scores of good cloth up from 40%")
    unseen = GoodLook(level=None, texture=None, share=0.4, middle_shares=(0.1, 0.2, 0.3))
    assert run(Drift(unseen), BASE + RECENT, level=80.0) == ""
