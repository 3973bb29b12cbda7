"""From scores of good cloth to a threshold with a stated rate of false alarms: statistics only, no files."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

CONFIDENCE = 0.95
LEAST_SAMPLES = 8
_HIGHEST_THRESHOLD = float(np.nextafter(np.float32(1), np.float32(0)))  # a score of exactly 1 must always be above it
_TAIL_SAMPLES, _TAIL_SHARE = 10, 0.2


class Limit(BaseModel):
    """A threshold, and how often a good sample is above it.

    `order_statistic`: the threshold is the `rank`-th largest sample. `tail_extrapolation`: samples are too few for
    that; the logits above `tail_start` are taken as exponential with scale `tail_scale`, the tail that maxima of many cells
    tend to (Gumbel), and the threshold is where that tail, averaged over the uncertainty of its scale, meets the
    target, but never below the largest sample.
    `upper_rate` holds for any distribution of independent samples (Clopper-Pearson), `expected_rate` by the rule.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float
    samples: int
    rule: Literal["order_statistic", "tail_extrapolation"]
    rank: int
    tail_start: float | None = None
    tail_scale: float | None = None
    expected_rate: float
    upper_rate: float


def limit(scores: NDArray[np.floating], target_rate: float, confidence: float = CONFIDENCE) -> Limit:
    """The lowest threshold whose rate of good samples above it stays within target_rate at that confidence.

    `scores` (n,) in [0, 1], at least LEAST_SAMPLES of them, none NaN. Raises ValueError when no threshold below 1 does.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]  # (n,)
    n = len(ordered)
    if n < LEAST_SAMPLES or not np.isfinite(ordered).all():
        raise ValueError(f"{n} samples, at least {LEAST_SAMPLES} finite ones are needed")
    rank = allowed_rank(n, target_rate, confidence)
    if rank:
        threshold, start, scale, expected = float(ordered[rank - 1]), None, None, rank / (n + 1)
    else:
        threshold, start, scale, expected = _extrapolate(ordered, target_rate)
    if threshold >= 1:
        raise ValueError("good samples reach the highest score there is")
    return Limit(
        threshold=threshold,
        samples=n,
        rule="order_statistic" if rank else "tail_extrapolation",
        rank=rank or 1,
        tail_start=start,
        tail_scale=scale,
        expected_rate=expected,
        upper_rate=upper_rate(n, rank or 1, confidence),
    )


def allowed_rank(n: int, target_rate: float, confidence: float = CONFIDENCE) -> int:
    """The largest rank whose order statistic of n samples keeps the target rate at that confidence; 0 if none does."""
    return int(np.count_nonzero(_binomial_cdf(n, target_rate) <= 1 - confidence))


def upper_rate(n: int, rank: int, confidence: float = CONFIDENCE) -> float:
    """Upper confidence bound of the rate above the rank-th largest of n samples, for any distribution."""
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _binomial_cdf(n, middle)[rank - 1] > 1 - confidence else (low, middle)
    return high


def samples_needed(target_rate: float, confidence: float = CONFIDENCE) -> int:
    """How many samples the largest of them must be drawn from to keep the target rate at that confidence."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-target_rate))


def logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(s / (1 - s)) in float64, finite also for scores of exactly 0 or 1 (float32's last steps before them)."""
    inside = np.clip(np.asarray(scores, dtype=np.float64), float(np.finfo(np.float32).tiny), _HIGHEST_THRESHOLD)
    return np.log(inside) - np.log1p(-inside)


def _extrapolate(ordered: NDArray[np.float64], target_rate: float) -> tuple[float, float, float, float]:
    """Threshold, tail start, tail scale and the modelled rate above the threshold."""
    n = len(ordered)
    tail = min(n - 1, max(_TAIL_SAMPLES, int(n * _TAIL_SHARE)))
    logits = logit(ordered)
    start = float(logits[tail])
    scale = max(float((logits[:tail] - start).mean()), 1e-6)
    # The scale is itself uncertain: averaged over that, P(beyond by y) is (1 + y / (tail scale))^-tail, not exp(-y / scale).
    wanted = start + tail * scale * ((tail / n / target_rate) ** (1 / tail) - 1)
    threshold = max(float(ordered[0]), min(1 / (1 + math.exp(-wanted)), _HIGHEST_THRESHOLD))
    beyond = float(logit(np.array([threshold]))[0]) - start
    return threshold, start, scale, tail / n * (1 + beyond / (tail * scale)) ** -tail


def _binomial_cdf(n: int, rate: float) -> NDArray[np.float64]:
    """P(at most k of n), k = 0..n, at 0 < rate < 1."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n + 1)
    log_mass = log_factorial[n] - log_factorial - log_factorial[::-1] + k * math.log(rate) + (n - k) * math.log1p(-rate)
    return np.minimum(np.cumsum(np.exp(log_mass)), 1.0)
