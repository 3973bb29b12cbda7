"""What a model learned counts as good cloth as far as other cloth bears it out."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.good import GoodFrame
from calibration.limits import logit
from calibration.optimism import MOST, corrected


def cloth(count: int, level: float, learned: bool, seed: int, patches: int = 48, uneven: float = 0.05) -> list[GoodFrame]:
    """Frames of three lanes whose patches lie around a level in log odds, which differs a little from frame to frame."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(level, 0.4, (count, 3, patches // 3)) + rng.normal(0, uneven, (count, 1, 1))
    scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return [GoodFrame(each.max(axis=1), patches=each.ravel(), learned=learned) for each in scores]


def highest(frames: list[GoodFrame]) -> float:
    return float(np.mean([logit(np.asarray(frame.lanes, dtype=np.float64)).max() for frame in frames]))


def test_lower_scores_of_learned_cloth_are_raised_and_those_of_other_cloth_stay() -> None:
    unseen, learned = cloth(8, -2.0, False, 0), cloth(30, -2.3, True, 1)
    frames, told = corrected([*learned[:7], *unseen, *learned[7:]])
    assert told is not None and told.error is not None and told.optimism is not None
    assert told.optimism == pytest.approx(0.3, abs=3 * told.error) and told.raised_by > 0.2
    assert (told.frames, told.samples, told.left_out) == (30, 90, "")
    assert frames[7:15] == unseen
    raised = [*frames[:7], *frames[15:]]
    assert highest(raised) - highest(learned) == pytest.approx(told.raised_by)
    assert all(f.patches is not None and f.patches.max() == f.lanes.max() for f in raised)


def test_higher_scores_of_learned_cloth_are_never_lowered() -> None:
    learned = cloth(30, -1.5, True, 1)
    frames, told = corrected([*cloth(8, -2.0, False, 0), *learned])
    assert told is not None and told.optimism is not None and told.optimism < -0.3 and told.raised_by == 0
    assert frames[8:] == learned


def test_a_difference_that_is_chance_raises_little() -> None:
    """Over many trainings without optimism the shift is a small part of its error, not 0.4 of it as half a normal's mean."""
    shares = []
    for seed in range(40):
        _, told = corrected([*cloth(3, -2, False, seed, uneven=0.1), *cloth(12, -2, True, 100 + seed, uneven=0.1)])
        assert told is not None and told.error
        shares.append(told.raised_by / told.error)
    assert np.mean(shares) < 0.3


def test_heads_that_know_their_cloth_by_heart_leave_the_card_to_other_cloth() -> None:
    unseen = cloth(8, -2.0, False, 0)
    frames, told = corrected([*unseen, *cloth(30, -2.0 - 2 * MOST, True, 1)])
    assert frames == unseen and told is not None
    assert (told.frames, told.samples, told.raised_by) == (30, 0, 0) and "higher in log odds" in told.left_out
    assert told.optimism is not None and told.optimism > MOST


def test_pictures_that_differ_much_do_not_tell_enough() -> None:
    """No optimism, and yet it may be more than is allowed."""
    unseen = cloth(3, -2.0, False, 0, uneven=1.0)
    frames, told = corrected([*unseen, *cloth(5, -2.0, True, 3, uneven=1.0)])
    assert frames == unseen and told is not None and told.error is not None and told.error > MOST / 2 and told.left_out


@pytest.mark.parametrize(("unseen", "learned"), [(2, 30), (3, 1), (0, 30)])
def test_too_few_pictures_cannot_be_compared(unseen: int, learned: int) -> None:
    own = cloth(unseen, -2, False, 0)
    frames, told = corrected([*own, *cloth(learned, -2, True, 1)])
    assert frames == own and told is not None and told.optimism is None and "too few" in told.left_out


def test_cloth_of_which_none_was_learned_is_used_as_it_is() -> None:
    frames = cloth(5, -2, False, 0)
    assert corrected(frames) == (frames, None)
    bare = [replace(frame, patches=None) for frame in [*cloth(8, -2, False, 0), *cloth(20, -2, True, 1)]]
    _, told = corrected(bare)
    assert told is not None and told.samples == 60
