"""Positives ranked among negatives: exact by sorting up to EXACT_SCORES of them, in fixed bins with a known error beyond."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]

EXACT_SCORES = 1 << 25
"""So many scores are kept (128 MiB, twice that while they are sorted)."""
_DROPPED_BITS = 10
_BINS = 1 << (32 - _DROPPED_BITS)
_SIGN = np.uint32(1 << 31)


@dataclass(frozen=True)
class Curve:
    """The ROC and precision-recall curves by the levels of score at which positives lie, highest first; all (K,).

    Each level has `count` positives of summed weight `share`, and `at` negatives; `above` negatives lie higher. A negative at
    the level of a positive is a tie. Without positives or negatives the figures are NaN.
    """

    count: NDArray[np.int64]
    share: NDArray[np.float64]
    above: NDArray[np.int64]
    at: NDArray[np.int64]
    negatives: int

    def auroc(self) -> float:
        """The chance that a positive scores higher than a negative, positives taken one by one."""
        beaten = self.count * (self.negatives - self.above - self.at / 2)
        return _ratio(beaten.sum(), self.count.sum() * self.negatives)

    def ap(self) -> float:
        """Average precision: precision at each level, weighted by the recall gained there (no interpolation)."""
        hits = np.cumsum(self.count)
        return _ratio((self.count * hits / (hits + self.above + self.at)).sum(), self.count.sum())

    def f1_max(self) -> float:
        """The highest harmonic mean of precision and recall over all thresholds."""
        hits = np.cumsum(self.count)
        if not len(hits):
            return float("nan")
        return float((2 * hits / (hits[-1] + hits + self.above + self.at)).max())

    def partial(self, limit: float) -> float:
        """The area under share against the rate of false positives from 0 to `limit`, exact, divided by `limit`."""
        if not self.negatives or not len(self.share):
            return float("nan")
        reached = np.cumsum(self.share)
        rates = np.stack([self.above, self.above + self.at], axis=1).ravel() / self.negatives  # (2 K,)
        heights = np.stack([reached - self.share, reached], axis=1).ravel()  # (2 K,)
        rates, heights = np.append(rates, 1.0), np.append(heights, reached[-1])
        rates, heights = np.insert(rates, 0, 0.0), np.insert(heights, 0, 0.0)
        inside = rates <= limit
        at_limit = np.interp(limit, rates, heights)  # at a step, the upper end: the width there is zero
        rates, heights = np.append(rates[inside], limit), np.append(heights[inside], at_limit)
        return float(np.trapezoid(heights, rates)) / limit

    def uncertainty(self, figure: Callable[["Curve"], float]) -> float:
        """How far an area (auroc or partial) can lie from what it would be if ties at each level were told apart."""
        nothing = np.zeros_like(self.at)
        best = figure(replace(self, at=nothing))
        worst = figure(replace(self, above=self.above + self.at, at=nothing))
        return max(best - figure(self), figure(self) - worst)

    def ap_uncertainty(self) -> float:
        """How far `ap` can lie from what it would be if the ties at each level were told apart."""
        hits = np.cumsum(self.count)
        best = (self.count * hits / np.maximum(hits + self.above, 1)).sum()
        first = hits - self.count + 1
        worst = (self.count * first / (first + self.above + self.at)).sum()
        total = self.count.sum()
        return max(_ratio(best, total) - self.ap(), self.ap() - _ratio(worst, total))


class Positives:
    """Scores of positives, each with a weight; filled piece by piece."""

    def __init__(self) -> None:
        self.total = 0
        self._pieces: list[tuple[Scores, NDArray[np.int64], NDArray[np.float64]]] = []

    def add(self, scores: Scores, shares: NDArray[np.float64]) -> None:
        """Takes in scores (n,), finite, and their weights (n,)."""
        self.total += len(scores)
        self._pieces.append((scores, np.ones(len(scores), np.int64), shares))

    def fold(self) -> None:
        """Keeps from now on only the bin of each score."""
        scores, count, share = self._merged()
        self._pieces = [_grouped(_bottoms(_keys(scores)), count, share)]

    def levels(self) -> tuple[Scores, NDArray[np.int64], NDArray[np.float64]]:
        """The different scores, ascending (K,), how many positives each has, and their summed weight."""
        return _grouped(*self._merged())

    def _merged(self) -> tuple[Scores, NDArray[np.int64], NDArray[np.float64]]:
        if not self._pieces:
            return np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0)
        scores, count, share = (np.concatenate(part) for part in zip(*self._pieces, strict=True))
        return scores, count, share


class Negatives:
    """Scores of negatives, of which it can be asked how many lie above or at a score; filled piece by piece."""

    def __init__(self) -> None:
        self.total = 0
        self._pieces: list[Scores] = []
        self._sorted: Scores | None = None
        self._bins: NDArray[np.int64] | None = None

    def add(self, scores: Scores) -> None:
        """Takes in scores (n,), finite."""
        self.total += len(scores)
        self._pieces.append(scores)

    def fold(self) -> None:
        """Keeps from now on only the bin of each score."""
        if self._bins is None:
            self._bins = np.zeros(_BINS, dtype=np.int64)
        for scores in self._pieces:
            if len(scores):
                keys = _keys(scores)
                lowest = int(keys.min())
                counts = np.bincount(keys - lowest)
                self._bins[lowest : lowest + len(counts)] += counts
        self._pieces, self._sorted = [], None

    def place(self, levels: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many are higher than each level (K,), and how many are equal to it (once folded: in its bin)."""
        if self._bins is not None:
            self.fold()
            keys = _keys(levels)
            return self.total - np.cumsum(self._bins)[keys], self._bins[keys]
        if self._sorted is None or len(self._sorted) < self.total:
            self._sorted = np.concatenate([np.empty(0, np.float32), *self._pieces])
            self._sorted.sort()
            self._pieces = [self._sorted]
        lower, upper = (np.searchsorted(self._sorted, levels, side) for side in ("left", "right"))
        return self.total - upper, upper - lower


def rank(positives: Positives, negatives: Negatives) -> Curve:
    """The curve of positives against negatives; either both are folded or none."""
    levels, count, share = positives.levels()
    above, at = negatives.place(levels)
    return Curve(count[::-1], share[::-1], above[::-1], at[::-1], negatives.total)


def _grouped(
    scores: Scores, count: NDArray[np.int64], share: NDArray[np.float64]
) -> tuple[Scores, NDArray[np.int64], NDArray[np.float64]]:
    levels, level_of = np.unique(scores, return_inverse=True)
    counts, shares = (np.bincount(level_of, weights, len(levels)) for weights in (count, share))
    return levels, counts.astype(np.int64), shares.astype(np.float64)


def _keys(scores: Scores) -> NDArray[np.int64]:
    """The bins of scores: the upper bits of a float32, put in the order of the numbers; 8192 bins to a factor of two."""
    bits = (scores + np.float32(0)).view(np.uint32)  # + 0 makes -0 a 0
    ordered = np.where(bits >> 31, ~bits, bits | _SIGN)
    return (ordered >> _DROPPED_BITS).astype(np.int64)


def _bottoms(keys: NDArray[np.int64]) -> Scores:
    """A score that lies in each bin."""
    ordered = keys.astype(np.uint32) << _DROPPED_BITS
    return np.where(ordered >> 31, ordered & ~_SIGN, ~ordered).view(np.float32)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
