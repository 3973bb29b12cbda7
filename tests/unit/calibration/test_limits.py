"""Thresholds from samples: the bounds hold in simulation, and the extrapolation behaves at its ends."""

import math

import numpy as np
import pytest

from calibration.limits import Ahead, limit, logit, raised


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(("m", "lanes", "most"), [(100.0, 1, 0), (1000.0, 1, 1), (500.0, 3, 2), (1000.0, 1, 20)])
@pytest.mark.parametrize("dispersion", [1.0, 2.5])
def test_samples_needed_is_where_the_largest_sample_first_suffices(m: float, lanes: int, most: int, dispersion: float) -> None:
    ahead = Ahead(m, lanes, dispersion)
    n = ahead.samples_needed(most)
    assert ahead.rank(n, most) >= 1
    assert ahead.rank(n - 1, most) == 0
    assert ahead.upper(n, 1) <= most < ahead.upper(n - 1, 1)


def test_the_odds_are_those_of_drawing_without_an_order() -> None:
    """Of n + m exchangeable samples any n may be the known ones: all of the highest k are to come, and r - 1 known above."""
    n, m, rank = 30, 20, 4
    ways = [math.comb(k + rank - 1, k) * math.comb(m - k + n - rank, m - k) / math.comb(n + m, m) for k in range(m + 1)]
    np.testing.assert_allclose(Ahead(m).odds(n, rank, m), ways, rtol=1e-9)
    two = np.convolve(ways, ways)[: m + 1]
    np.testing.assert_allclose(Ahead(m, lanes=2).odds(n, rank, m), two, rtol=1e-9)


@pytest.mark.parametrize("dispersion", [1.0, 1.7, 6.0])
def test_dispersion_keeps_the_mean_and_widens_the_spread(dispersion: float) -> None:
    n, m, rank = 4000, 2000, 20
    odds = Ahead(m, 1, dispersion).odds(n, rank, 1000)
    k = np.arange(len(odds))
    mean = (odds * k).sum()
    assert odds.sum() == pytest.approx(1, abs=1e-4)
    assert mean == pytest.approx(m * rank / (n + 1), rel=1e-3)
    assert (odds * (k - mean) ** 2).sum() == pytest.approx(dispersion * mean * (1 + m / n), rel=0.03)


@pytest.mark.parametrize(("n", "m", "most"), [(200, 100, 3), (300, 1000, 40), (2000, 1000, 2)])
def test_the_prediction_holds_in_simulation(n: int, m: int, most: int) -> None:
    """Of many calibrations, at most 5 % may be followed by more alarms than predicted."""
    rank = Ahead(m).rank(n, most)
    assert rank >= 1
    rng = np.random.default_rng(n)
    repeats = 4000
    # For uniform samples, the rate above the rank-th largest is 1 minus it; any other distribution is a monotone map.
    rates = 1 - np.array([np.partition(rng.random(n), n - rank)[n - rank] for _ in range(repeats)])
    alarms = rng.binomial(m, rates)
    slack = 3 * math.sqrt(0.05 * 0.95 / repeats)
    assert (alarms > most).mean() <= 0.05 + slack
    assert alarms.mean() == pytest.approx(m * rank / (n + 1), rel=0.1)
    assert Ahead(m).upper(n, rank + 1) > most  # no lower threshold would do


def test_with_enough_samples_the_threshold_is_the_order_statistic() -> None:
    scores = np.random.default_rng(0).random(4000)
    found = limit(scores, 31, 0.01)
    assert found.rule == "order_statistic" and found.rank == 31
    assert (scores > found.threshold).sum() == 30
    assert found.expected_rate == pytest.approx(31 / 4001)


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
    rates = []
    for scores in sigmoid(draw(rng, (200, 60))):
        found = limit(scores, 0, target)
        assert found.rule == "tail_extrapolation"
        assert scores.max() <= found.threshold < 1
        assert found.expected_rate <= target * (1 + 1e-9)
        true_rate = 1 - np.searchsorted(truth, logit(np.array([found.threshold]))[0]) / len(truth)
        rates.append(true_rate)
    assert np.mean(rates) <= 2 * target
    assert np.median(rates) <= target


@pytest.mark.parametrize("name", TAILS)
@pytest.mark.parametrize("alike", [1, 4])
def test_patches_hold_the_target_also_where_neighbours_are_alike(name: str, alike: int) -> None:
    """30 samples of 16 patches, in groups of equal ones, target 1 in 3000; independent ones make thresholds vary less."""
    rng = np.random.default_rng(3)
    draw, target = TAILS[name], 1 / 3000
    truth = np.sort(draw(rng, (60_000, 16 // alike)).max(axis=1))
    rates, of_patches, of_samples = [], [], []
    for patches in sigmoid(np.repeat(draw(rng, (200, 30, 16 // alike)), alike, axis=2)):
        found = limit(patches.max(axis=1), 0, target, patches.ravel())
        assert found.patches == 480 and found.samples == 30
        assert patches.max() <= found.threshold and found.expected_rate <= target * (1 + 1e-9)
        of_patches.append(logit(np.array([found.threshold]))[0])
        of_samples.append(logit(np.array([limit(patches.max(axis=1), 0, target).threshold]))[0])
        rates.append(1 - np.searchsorted(truth, of_patches[-1]) / len(truth))
    assert np.mean(rates) <= 2 * target and np.median(rates) <= target
    if alike == 1:
        assert np.std(of_patches) < np.std(of_samples) and np.median(of_patches) < np.median(of_samples)


def test_a_frames_own_level_is_covered_and_rare_specks_are_missed_as_by_samples() -> None:
    """30 frames of 4 lanes of 16 patches; specks in one patch of a hundred, of which few samples tell how high they reach."""
    rng, target = np.random.default_rng(5), 1 / 3000

    def draw(frames: int, lanes: int, level: float, specks: float) -> np.ndarray:
        shape = (frames, lanes, 16)
        high = (rng.random(shape) < specks) * rng.exponential(2, shape)
        return np.asarray(rng.gumbel(-4, 0.5, shape) + rng.normal(0, level, (frames, 1, 1)) + high)

    for level, specks in ((0.5, 0.0), (0.0, 0.01)):
        truth = np.sort(draw(40_000, 1, level, specks).max(axis=(1, 2)))
        rates: dict[str, list[float]] = {"samples": [], "patches": []}
        for _ in range(150):
            patches = sigmoid(draw(30, 4, level, specks))
            samples = patches.max(axis=2).ravel()
            for name, units in (("samples", None), ("patches", patches.ravel())):
                threshold = logit(np.array([limit(samples, 0, target, units).threshold]))[0]
                rates[name].append(1 - np.searchsorted(truth, threshold) / len(truth))
        assert np.mean(rates["patches"]) <= (3 * np.mean(rates["samples"]) if specks else 2 * target)


@pytest.mark.parametrize("patches", [np.array([]), np.full(40, 0.2), np.array([0.3] * 39 + [np.nan]), np.full(9, 0.3)])
def test_patches_of_other_samples_are_refused(patches: np.ndarray) -> None:
    with pytest.raises(ValueError, match="patches are not those"):
        limit(np.full(10, 0.3), 0, 1e-3, patches)


def test_an_expected_rate_is_a_rate_also_where_the_threshold_is_as_high_as_can_be() -> None:
    patches = sigmoid(np.random.default_rng(0).normal(14, 3, (10, 200)))
    assert limit(patches.max(axis=1), 0, 1e-6, patches.ravel()).expected_rate <= 1


def test_with_enough_samples_patches_change_nothing() -> None:
    scores = np.random.default_rng(0).random(4000)
    assert limit(scores, 31, 0.01, np.repeat(scores, 2)) == limit(scores, 31, 0.01)


def test_more_extreme_targets_and_wider_scores_ask_for_higher_thresholds() -> None:
    scores = sigmoid(np.random.default_rng(2).gumbel(-4, 0.5, 50))
    thresholds = [limit(scores, 0, target).threshold for target in (1e-2, 1e-3, 1e-4, 1e-5)]
    assert thresholds == sorted(thresholds) and thresholds[0] < thresholds[-1]
    wider = sigmoid(logit(scores) * 1.5 + 2)
    assert limit(wider, 0, 1e-4).threshold > thresholds[2]


def test_equal_scores_give_a_threshold_that_lets_them_pass() -> None:
    found = limit(np.full(20, 0.25), 0, 1e-4)
    assert 0.25 <= found.threshold < 0.2501


@pytest.mark.parametrize("patched", [False, True])
def test_a_threshold_lies_never_below_the_largest_sample_however_much_is_allowed(patched: bool) -> None:
    scores = np.array([0.9, *np.linspace(0.01, 0.05, 39)])  # one far above what the others' tail promises
    patches = np.concatenate([scores, np.full(40, 0.005)]) if patched else None
    for target in (0.1, 0.5):
        found = limit(scores, 0, target, patches)
        assert (found.threshold, found.rule, found.rank) == (0.9, "tail_extrapolation", 1)
        assert 0 < found.expected_rate < target
    assert limit(scores, 0, 1e-6, patches).threshold > 0.9


def test_a_threshold_is_below_one_even_where_the_tail_runs_over() -> None:
    found = limit(sigmoid(np.linspace(-10, 16, 30)), 0, 1e-9)
    assert found.threshold < 1
    assert np.float32(1) > found.threshold  # a saturated score is always above it


def test_good_scores_at_the_very_top_are_refused_unless_the_budget_allows_them() -> None:
    scores = np.linspace(0.1, 0.5, 3000)
    scores[-3:] = 1.0
    with pytest.raises(ValueError, match="highest score"):
        limit(scores, 3, 1e-3)
    assert limit(scores, 4, 1e-3).threshold <= 0.5


@pytest.mark.parametrize("scores", [np.full(7, 0.1), np.array([0.1] * 20 + [np.nan]), np.empty(0)])
def test_too_few_or_not_finite_samples_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        limit(scores, 1, 0.01)


def test_logit_is_finite_and_increasing_over_all_scores() -> None:
    scores = np.array([0, 1e-30, 1e-7, 0.5, 1 - 1e-6, np.nextafter(np.float32(1), np.float32(0)), 1], np.float32).astype(float)
    found = logit(scores)
    assert np.isfinite(found).all() and (np.diff(found) >= 0).all()
    assert found[3] == 0
    np.testing.assert_allclose(logit(sigmoid(np.linspace(-15, 12, 50))), np.linspace(-15, 12, 50), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("threshold", [1e-6, 0.02, 0.5, 0.98135, float(np.nextafter(np.float32(1), np.float32(0)))])
def test_a_threshold_is_raised_in_log_odds_and_stays_below_one(threshold: float) -> None:
    assert raised(threshold, 0.0) == pytest.approx(threshold, rel=1e-9)
    up = raised(threshold, 0.7)
    assert threshold <= up < 1
    if threshold < 0.99:
        odds = up / (1 - up) / (threshold / (1 - threshold))
        assert odds == pytest.approx(np.exp(0.7))
