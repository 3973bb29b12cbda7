"""From scores of good cloth to a threshold with a stated rate of false alarms: statistics only, no files."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glass_core.pictures.split import MIN_CARD_SCORES

CONFIDENCE = 0.95
_MAX_THRESHOLD = float(np.nextafter(np.float32(1), np.float32(0)))  # a score of exactly 1 must always be above it
_TAIL_SAMPLES, _TAIL_SHARE = 10, 0.2
OWN_TAIL_FROM = 200
"""So many samples have a tail of their own; it lies nearer to the threshold than that of their patches."""


class Limit(BaseModel):
    """A threshold, and how often a good sample is expected above it.

    `order_statistic`: the threshold is the `rank`-th largest sample. `tail_extrapolation`: samples are too few for
    that; the logits above `tail_start` are taken as exponential with scale `tail_scale`, the tail that maxima of many cells
    tend to (Gumbel), and the threshold is where that tail, averaged over the uncertainty of its scale, meets the
    target, but never below the largest sample. The tail is that of the samples, or of the `patches` they consist of, as many
    as there are samples: most samples then have one in it, and its scale is less uncertain. `tail_size` of them are above
    the start, in `tail_clusters` samples, which are held to be independent; `expected_rate` is of samples, and where
    patches are high together the most that this tail allows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    threshold: float = Field(gt=0, lt=1)
    samples: int = Field(ge=1)
    rule: Literal["order_statistic", "tail_extrapolation"]
    rank: int
    tail_start: float | None = None
    tail_scale: float | None = None
    tail_size: int | None = None
    tail_clusters: int | None = None
    patches: int | None = None
    expected_rate: float


@dataclass(frozen=True)
class Ahead:
    """What a rank of so many good samples must hold for: `samples` yet to come in each of `lanes` alike lanes.

    `dispersion`: how much more than independent samples the number above a threshold varies, 1 or more.
    """

    samples: float
    lanes: int = 1
    dispersion: float = 1.0

    def odds(self, n: int, rank: int, most: int) -> NDArray[np.float64]:
        """P(k samples to come are above their lane's rank-th largest of n), k = 0..most, for any distribution of scores.

        Of exchangeable samples the number is beta-binomial with a = rank, b = n - rank + 1 (Wilks 1942, prediction by order
        statistics). Dispersion keeps its mean and makes its variance so many times as large.
        """
        m = self.samples
        apart = self.dispersion + (self.dispersion - 1) * n / m
        a, b = rank / apart, (n - rank + 1) / apart
        k = np.arange(min(most, math.floor(m)))
        steps = np.log((m - k) * (k + a) / ((k + 1) * (m - k - 1 + b)))
        none = math.lgamma(b + m) + math.lgamma(a + b) - math.lgamma(a + b + m) - math.lgamma(b)
        one_lane = np.zeros(most + 1)
        one_lane[: len(k) + 1] = np.exp(none + np.concatenate([[0.0], np.cumsum(steps)]))
        odds = one_lane
        for _ in range(self.lanes - 1):
            odds = np.convolve(odds, one_lane)[: most + 1]
        return odds  # (most + 1,)

    def rank(self, n: int, most: int, confidence: float = CONFIDENCE) -> int:
        """The largest rank above which no more than `most` samples will come at that confidence; 0 if there is none."""
        return bisect_left(range(1, n + 1), True, key=lambda rank: self.odds(n, rank, most).sum() < confidence)

    def upper(self, n: int, rank: int, confidence: float = CONFIDENCE) -> int:
        """So many samples, at that confidence not more, will come above the rank-th largest of n."""
        most = 8
        while (seen := np.cumsum(self.odds(n, rank, most)))[-1] < confidence and most < self.lanes * self.samples:
            most *= 2
        return int(np.searchsorted(seen, confidence))

    def samples_needed(self, most: int, confidence: float = CONFIDENCE) -> int:
        """How many samples of each lane the largest must be drawn from so that no more than `most` will come above it."""
        highest = 1
        while not self.rank(highest, most, confidence):
            highest *= 2
        return bisect_left(range(highest), True, key=lambda n: n > 0 and self.odds(n, 1, most).sum() >= confidence)


def limit(scores: NDArray[np.floating], rank: int, target_rate: float, patches: NDArray[np.floating] | None = None) -> Limit:
    """The rank-th largest score as threshold; with rank 0 the one that the tail, extrapolated, exceeds at the target rate.

    `scores` (n,) in [0, 1], at least MIN_CARD_SCORES of them, none NaN; `patches` (m,), m >= n, such that each score is the
    largest of its own ones. Raises ValueError for others, and when no threshold below 1 does.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]  # (n,)
    n = len(ordered)
    if n < MIN_CARD_SCORES or not np.isfinite(ordered).all():
        raise ValueError(f"{n} samples, at least {MIN_CARD_SCORES} finite ones are needed")
    units = ordered if patches is None else np.sort(np.asarray(patches, dtype=np.float64))[::-1]  # (m,)
    if len(units) < n or units[0] != ordered[0] or not np.isfinite(units).all():
        raise ValueError(f"{len(units)} patches are not those of {n} samples")
    tail: _Tail | None = None
    if rank:
        threshold, expected = float(ordered[rank - 1]), rank / (n + 1)
    else:
        each = len(units) / n  # a sample is above a threshold at most as often as all of its patches together
        tail, threshold, expected = _extrapolate(ordered, units, target_rate / each)
        expected = min(1.0, expected * each)
    if threshold >= 1:
        raise ValueError("good samples reach the highest score there is")
    return Limit(
        threshold=threshold,
        samples=n,
        rule="tail_extrapolation" if tail else "order_statistic",
        rank=rank or 1,
        tail_start=tail and tail.start,
        tail_scale=tail and tail.scale,
        tail_size=tail and tail.size,
        tail_clusters=tail and tail.clusters,
        patches=len(units) if tail and patches is not None else None,
        expected_rate=expected,
    )


def logit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(s / (1 - s)) in float64, finite also for scores of exactly 0 or 1 (float32's last steps before them)."""
    inside = np.clip(np.asarray(scores, dtype=np.float64), float(np.finfo(np.float32).tiny), _MAX_THRESHOLD)
    return np.log(inside) - np.log1p(-inside)


def raised(threshold: float, by: float) -> float:
    """A threshold moved by so much in log odds, never lower than before for `by` >= 0, and below 1."""
    return min(max(threshold, 1 / (1 + math.exp(-float(logit(np.array([threshold]))[0]) - by))), _MAX_THRESHOLD)


class _Tail(NamedTuple):
    start: float
    scale: float
    size: int
    clusters: int


def _extrapolate(samples: NDArray[np.float64], units: NDArray[np.float64], target_rate: float) -> tuple[_Tail, float, float]:
    """The tail of the units (samples, or their patches; both in falling order), the threshold, the units' rate above it."""
    m = len(units)
    size = int(m * _TAIL_SHARE) if units is samples else len(samples)
    tenth = samples[min(_TAIL_SAMPLES, len(samples) - 1)]  # so many samples at least must have a part in it
    size = min(m - 1, max(size, _TAIL_SAMPLES, int((units > tenth).sum())))
    logits = logit(units)
    start = float(logits[size])
    scale = max(float((logits[:size] - start).mean()), 1e-6)
    clusters = min(size, int((logit(samples) >= start).sum()))  # patches of one sample may be high together: they count once
    tail = _Tail(start, scale, size, clusters)
    # The scale is itself uncertain: averaged over that, P(beyond by y) is (1 + y / (clusters scale))^-clusters, not
    # exp(-y / scale).
    wanted = start + clusters * scale * ((size / m / target_rate) ** (1 / clusters) - 1)
    threshold = max(float(samples[0]), min(1 / (1 + math.exp(-wanted)), _MAX_THRESHOLD))
    beyond = float(logit(np.array([threshold]))[0]) - start
    return tail, threshold, size / m * (1 + beyond / (clusters * scale)) ** -clusters
