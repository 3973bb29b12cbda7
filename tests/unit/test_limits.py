"""Thresholds from samples: the bounds hold in simulation, and the extrapolation behaves at its ends."""

import math

import numpy as np
import pytest

from calibration.limits import allowed_rank, limit, logit, samples_needed, upper_rate


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("rate", [0.5, 0.01, 1e-3, 1e-4])
def test_samples_needed_is_where_the_largest_sample_first_suffices(rate: float) -> None:
    n = samples_needed(rate)
    assert allowed_rank(n, rate) >= 1
    assert allowed_rank(n - 1, rate) == 0
    assert upper_rate(n, 1) <= rate < upper_rate(n - 1, 1)


@pytest.mark.parametrize(
    ("n", "rank", "expected"),
    # The upper bound for rank - 1 events in n: in closed form for no event and for all but one, and from a table.
    [(100, 1, 1 - 0.05 ** (1 / 100)), (1000, 1, 1 - 0.05 ** (1 / 1000)), (10, 10, 0.95 ** (1 / 10)), (20, 2, 0.21611)],
)
def test_upper_rate_is_the_clopper_pearson_bound(n: int, rank: int, expected: float) -> None:
    assert upper_rate(n, rank) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("n", "rate"), [(60, 0.05), (200, 0.05), (2000, 0.01), (1500, 0.002)])
def test_the_bound_covers_in_simulation(n: int, rate: float) -> None:
    """Of many calibrations, at most 5 % may give a threshold that good samples pass more often than the target."""
    rank = allowed_rank(n, rate)
    assert rank >= 1
    rng = np.random.default_rng(n)
    repeats = 4000
    # For uniform samples, the rate above the rank-th largest is 1 minus it; any other distribution is a monotone map.
    true_rates = 1 - np.array([np.partition(rng.random(n), n - rank)[n - rank] for _ in range(repeats)])
    slack = 3 * math.sqrt(0.05 * 0.95 / repeats)
    assert (true_rates > rate).mean() <= 0.05 + slack
    assert (true_rates > upper_rate(n, rank)).mean() == pytest.approx(0.05, abs=slack)
    assert upper_rate(n, rank) <= rate < upper_rate(n, rank + 1)  # no lower threshold would do
    assert true_rates.mean() == pytest.approx(rank / (n + 1), rel=0.1)


def test_with_enough_samples_the_threshold_is_the_order_statistic() -> None:
    scores = np.random.default_rng(0).random(4000)
    found = limit(scores, 0.01)
    assert found.rule == "order_statistic" and found.rank > 1
    assert (scores > found.threshold).sum() == found.rank - 1
    assert found.upper_rate <= 0.01 and found.expected_rate == pytest.approx(found.rank / 4001)


TAILS = {
    "exponential": lambda rng, shape: rng.exponential(0.7, shape) - 4,
    "gumbel": lambda rng, shape: rng.gumbel(-4, 0.7, shape),
    "logistic": lambda rng, shape: rng.logistic(-4, 0.5, shape),
    "largest of 300 normals": lambda rng, shape: rng.normal(-6, 1, (*shape, 300)).max(axis=-1),
}


@pytest.mark.parametrize("name", TAILS)
def test_with_few_samples_the_tail_is_extrapolated_to_the_target(name: str) -> None:
    """60 samples, target 1 in 3000: what good samples then do must lie near the target, and mostly not above it."""
    rng = np.random.default_rng(1)
    draw, target = TAILS[name], 1 / 3000
    truth = np.sort(draw(rng, (60_000,)))
    rates, within = [], 0
    for scores in sigmoid(draw(rng, (200, 60))):
        found = limit(scores, target)
        assert found.rule == "tail_extrapolation"
        assert scores.max() <= found.threshold < 1
        assert found.expected_rate <= target * (1 + 1e-9)
        true_rate = 1 - np.searchsorted(truth, logit(np.array([found.threshold]))[0]) / len(truth)
        rates.append(true_rate)
        within += true_rate <= found.upper_rate
    assert np.mean(rates) <= 2 * target
    assert np.median(rates) <= target
    assert within / 200 >= 0.95  # the stated bound is the distribution-free one


def test_more_extreme_targets_and_wider_scores_ask_for_higher_thresholds() -> None:
    scores = sigmoid(np.random.default_rng(2).gumbel(-4, 0.5, 50))
    thresholds = [limit(scores, target).threshold for target in (1e-2, 1e-3, 1e-4, 1e-5)]
    assert thresholds == sorted(thresholds) and thresholds[0] < thresholds[-1]
    wider = sigmoid(logit(scores) * 1.5 + 2)
    assert limit(wider, 1e-4).threshold > thresholds[2]


def test_equal_scores_give_a_threshold_that_lets_them_pass() -> None:
    found = limit(np.full(20, 0.25), 1e-4)
    assert 0.25 <= found.threshold < 0.2501


def test_a_threshold_is_below_one_even_where_the_tail_runs_over() -> None:
    found = limit(sigmoid(np.linspace(-10, 16, 30)), 1e-9)
    assert found.threshold < 1
    assert np.float32(1) > found.threshold  # a saturated score is always above it


def test_good_scores_at_the_very_top_are_refused_unless_the_budget_allows_them() -> None:
    scores = np.linspace(0.1, 0.5, 3000)
    scores[-3:] = 1.0
    with pytest.raises(ValueError, match="highest score"):
        limit(scores, 1e-3)
    assert limit(scores, 0.01).threshold < 0.5


@pytest.mark.parametrize("scores", [np.full(7, 0.1), np.array([0.1] * 20 + [np.nan]), np.empty(0)])
def test_too_few_or_not_finite_samples_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        limit(scores, 0.01)


def test_logit_is_finite_and_increasing_over_all_scores() -> None:
    scores = np.float32([0, 1e-30, 1e-7, 0.5, 1 - 1e-6, np.nextafter(np.float32(1), np.float32(0)), 1]).astype(float)
    found = logit(scores)
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
    assert found[3] == 0
    np.testing.assert_allclose(logit(sigmoid(np.linspace(-15, 12, 50))), np.linspace(-15, 12, 50), rtol=1e-6, atol=1e-9)
