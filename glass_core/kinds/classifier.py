"""The nearest kind by its mean, in features whose spread within kinds is known only roughly; far from all of them: unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError

MIN_EXAMPLES = 3
"""Of a kind: with fewer it is not learned."""
MIN_KINDS = 2
SHRINKAGE = 0.2
"""So much of the spread within kinds counts as alike in all directions: there are far fewer examples than features."""
MIN_NAMED = 0.75
"""The share of the examples that must be named, left out in turn, whatever is gained by naming fewer. With all of its
examples a kind is told a little better than that."""
FOLDS = 25
"""Up to so many examples each is left out alone."""
SIDES = 2
"""The first features are the logarithms of the longer and the shorter side; all others are the trunk's."""
SIDE_WEIGHT = 0.065
"""Each side counts as much as so large a share of the trunk's features."""
_TINY, _LEAST_SPREAD = 1e-9, 1e-3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Proposal:
    """What a defect perhaps is; null: nothing that was learned. `confidence`: about how likely that is, 0 to 1."""

    kind: str | None
    confidence: float


@dataclass(frozen=True)
class Classifier:
    """K kinds of D features; `axes` (R, D) are the directions in which examples of one kind differ."""

    kinds: tuple[str, ...]
    centre: Floats
    """(D,) of all examples."""
    scale: Floats
    """(D,), above 0."""
    means: Floats
    """(K, D) of the kinds, in standardised features."""
    axes: Floats
    """(R, D), of length 1 and at right angles."""
    damping: Floats
    """(R,) in 0..1: so much of a squared difference along each axis says nothing."""
    limit: float = np.inf
    """Doubt beyond which no kind is named."""
    slope: float = 0.0
    level: float = 0.0
    """How likely the nearest kind is right: the logistic function of level - slope * doubt."""

    def propose(self, features: Floats) -> list[Proposal]:
        """What crops with these features (N, D) perhaps are."""
        nearest, doubts = self.judge(features)
        sure = 1 / (1 + np.exp(np.clip(self.slope * doubts - self.level, -50, 50)))
        return [
            Proposal(self.kinds[kind], round(float(p), 3)) if doubt <= self.limit else Proposal(None, round(float(1 - p), 3))
            for kind, doubt, p in zip(nearest, doubts, sure, strict=True)
        ]

    def judge(self, features: Floats) -> tuple[NDArray[np.intp], Floats]:
        """The nearest kind (N,) of features (N, D), and the doubt (N,): it grows with the distance to it, also as compared to
        the distance to the next."""
        plain = _standardised(features, self.centre, self.scale)
        squared = np.stack([self._squared(plain - mean) for mean in self.means], axis=1)  # (N, K)
        distances = np.log(np.maximum(squared, _TINY))
        first, second = np.sort(distances, axis=1)[:, :2].T
        return distances.argmin(axis=1), 3 * first - second

    def _squared(self, apart: Floats) -> Floats:
        """The squared lengths (N,) of differences (N, D), damped along the axes."""
        return (apart**2).sum(axis=1) - ((apart @ self.axes.T) ** 2 * self.damping).sum(axis=1)


@dataclass(frozen=True)
class CrossValidation:
    """How examples fared that were left out: each in turn, and each kind wholly."""

    kinds: tuple[str, ...]
    confusion: NDArray[np.intp]
    """(K, K + 1): what examples of a kind (row) were named; in the last column those not named."""
    unseen: NDArray[np.intp]
    """(K, 2): of the examples of a kind that was left out wholly those called unknown, and all; zeros for too few kinds."""

    @property
    def named(self) -> float:
        """The share of examples that are named."""
        return float(self.confusion[:, :-1].sum() / self.confusion.sum())

    @property
    def right(self) -> float | None:
        """The share of those named that have their own name; null: none is named."""
        named = int(self.confusion[:, :-1].sum())
        return float(np.trace(self.confusion) / named) if named else None

    @property
    def unknown(self) -> float | None:
        """The share of an unseen kind's examples that are called unknown; null: too few kinds to tell."""
        told, seen = self.unseen.sum(axis=0)
        return float(told / seen) if seen else None


def learn(features: Floats, kinds: Sequence[str]) -> tuple[Classifier, CrossValidation]:
    """Learn from features (N, D) of crops and what people called them.

    The limit and the confidence come from the same examples, left out one by one and kind by kind. Kinds with fewer than
    MIN_EXAMPLES are left aside. Raises InputError where fewer than MIN_KINDS remain.
    """
    names, labels, counts = np.unique(np.asarray(kinds, dtype=object), return_inverse=True, return_counts=True)
    enough = counts >= MIN_EXAMPLES
    if enough.sum() < MIN_KINDS:
        raise InputError(
            f"too few named defects ({', '.join(f'{n} {c}' for n, c in zip(names, counts, strict=True)) or 'none'}), "
            f"the review, name {MIN_EXAMPLES} defects each of {MIN_KINDS} kinds or more: glassline review DIR --defect N "
            "--as defect --kind NAME"
        )
    order = np.argsort(labels, kind="stable")
    order = order[enough[labels[order]]]
    features, labels = np.asarray(features, dtype=np.float64)[order], np.unique(labels[order], return_inverse=True)[1]
    kept = tuple(str(name) for name in names[enough])
    nearest, doubts = _left_out(features, labels, np.arange(len(labels)) % min(len(labels), FOLDS))
    right, alone = nearest == labels, len(kept) <= MIN_KINDS
    unseen = np.zeros(0) if alone else _left_out(features, labels, labels)[1]
    limit = _limit(doubts, right, unseen)
    slope, level = _logistic(np.concatenate([doubts, unseen]), np.concatenate([right, np.zeros(len(unseen), dtype=bool)]))
    confusion = np.zeros((len(kept), len(kept) + 1), dtype=np.intp)
    np.add.at(confusion, (labels, np.where(doubts <= limit, nearest, len(kept))), 1)
    told = np.zeros((len(kept), 2), dtype=np.intp)
    for kind in () if alone else range(len(kept)):
        own = labels == kind  # a kind that counts as never seen has no say in the limit that it is judged by
        told[kind] = (unseen[own] > _limit(doubts[~own], right[~own], unseen[~own])).sum(), own.sum()
    return Classifier(kept, *_fit(features, labels), limit, slope, level), CrossValidation(kept, confusion, told)


def _standardised(features: Floats, centre: Floats, scale: Floats) -> Floats:
    """(N, D); the trunk's are of one length: a weak defect differs from good cloth in the same features as a strong one."""
    plain = (features - centre) / scale
    sides, trunk = plain[:, :SIDES], plain[:, SIDES:]
    lengths = np.maximum(np.linalg.norm(trunk, axis=1, keepdims=True), _TINY)
    size = trunk.shape[1]
    return np.concatenate([sides * np.sqrt(SIDE_WEIGHT * size), trunk / lengths * np.sqrt(size)], axis=1)


def _fit(features: Floats, labels: NDArray[np.intp]) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Centre, scale, means, axes and damping for examples (N, D) of kinds (N,) numbered without gaps."""
    centre, scale = features.mean(axis=0), features.std(axis=0) + _LEAST_SPREAD
    plain = _standardised(features, centre, scale)
    means = np.stack([plain[labels == kind].mean(axis=0) for kind in range(labels.max() + 1)])
    within = (plain - means[labels]) / np.sqrt(max(len(labels) - len(means), 1))
    _, spread, axes = np.linalg.svd(within, full_matrices=False)
    alike = SHRINKAGE * max(float((spread**2).mean()) * len(spread) / within.shape[1], _TINY)
    damping = 1 - alike / (alike + (1 - SHRINKAGE) * spread**2)
    return centre, scale, means, axes, damping


def _left_out(features: Floats, labels: NDArray[np.intp], groups: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
    """The nearest kind and the doubt of each example, when the examples of its group are left out."""
    nearest, doubts = np.zeros(len(labels), dtype=np.intp), np.zeros(len(labels))
    for group in np.unique(groups):
        out = groups == group
        kinds, own = np.unique(labels[~out], return_inverse=True)
        found, doubts[out] = Classifier(tuple(map(str, kinds)), *_fit(features[~out], own)).judge(features[out])
        nearest[out] = kinds[found]
    return nearest, doubts


def _limit(doubts: Floats, right: NDArray[np.bool_], unseen: Floats) -> float:
    """The doubt at which most examples are named rightly and most of unseen kinds are not, with MIN_NAMED of the examples.

    It lies half-way to the next doubt above it. Where nothing is known of unseen kinds, all examples and a little more pass.
    """
    beyond = float(doubts.max() + doubts.std())
    if not len(unseen):
        return beyond
    every = np.sort(np.concatenate([doubts, unseen]))
    limits = np.append((every[:-1] + every[1:]) / 2, beyond)
    limits = limits[_within(doubts, limits) / len(doubts) >= MIN_NAMED]
    gains = _within(doubts[right], limits) / len(doubts) + (len(unseen) - _within(unseen, limits)) / len(unseen)
    return float(limits[int(np.argmax(gains))])


def _within(doubts: Floats, limits: Floats) -> NDArray[np.intp]:
    """How many of the doubts each limit lets pass."""
    return np.searchsorted(np.sort(doubts), limits, side="right")


def _logistic(doubts: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and level by which doubt tells how likely a name is right: a logistic regression, held back a little."""
    middle, width = float(doubts.mean()), float(doubts.std()) + _TINY
    x = np.stack([-(doubts - middle) / width, np.ones(len(doubts))], axis=1)  # (N, 2)
    weights, hold = np.zeros(2), np.diag([1.0, 0.1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -50, 50)))
        step = x.T @ (right - p) - hold @ weights
        weights += np.linalg.solve((x.T * (p * (1 - p))) @ x + hold, step)
    slope = max(float(weights[0]), 0.0) / width
    return slope, float(weights[1]) + slope * middle
