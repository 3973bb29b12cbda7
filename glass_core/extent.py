"""How far a defect reaches, finer than cells: the width at half maximum of the discriminator's answer.

Scores are its answer through a sigmoid: near 1 they are all alike, so a strong defect's box at the threshold takes in all that
a cell sees of its surroundings, and a weak one's only its middle. The answer itself, smoothed over three cells, falls to half
between good cloth and the region's own peak at the defect's edge, however strong it is; a straight line between two cells gives
the place. What remains of the error is measured by `tools.simulate_roll`.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-6
"""Scores this near to 0 or 1 differ by rounding alone."""
_WEIGHTS = np.array([0.25, 0.5, 0.25], dtype=np.float32)
Extent = tuple[float, float, float, float]
"""From and to along the columns, from and to along the rows: x0, y0, x1, y1, in cells."""


class Answers:
    """The discriminator's answer for each cell of a map (rows, cols), before the sigmoid, as the step above good cloth.

    `labels` (rows, cols) number the regions from 1; 0 is in none.
    """

    def __init__(self, score_map: NDArray[np.float32], labels: NDArray[np.int32]) -> None:
        self.labels = labels
        scores = np.clip(score_map, _LEAST, 1 - _LEAST).astype(np.float32)
        answers = cv2.sepFilter2D(np.log(scores / (1 - scores)), -1, _WEIGHTS, _WEIGHTS, borderType=cv2.BORDER_REPLICATE)
        cloth = score_map.any(axis=0)  # cells beside it are exactly 0
        self._steps: NDArray[np.float32] = answers - np.median(answers[:, cloth] if cloth.any() else answers)

    def extent(self, label: int, box: tuple[int, int, int, int]) -> Extent:
        """Of the region with that label, whose box of cells is [x0, y0, x1, y1); other regions' cells count as good cloth."""
        x0, y0, x1, y1 = box
        left, right = _edges(self._own(np.s_[y0:y1], label).max(axis=0), x0, x1)  # (cols,)
        top, bottom = _edges(self._own(np.s_[:, x0:x1], label).max(axis=1), y0, y1)  # (rows,)
        return left, top, right, bottom

    def _own(self, at: Any, label: int) -> NDArray[np.float32]:
        labels = self.labels[at]
        return np.where((labels == 0) | (labels == label), self._steps[at], np.float32(0))


def _edges(profile: NDArray[np.float32], first: int, last: int) -> tuple[float, float]:
    """Where the profile falls to half the maximum that it has in [first, last), outwards from there."""
    half = float(profile[first:last].max()) / 2
    high = np.flatnonzero(profile[first:last] > half)
    if half <= 0 or not len(high):
        return float(first), float(last)
    length = len(profile)
    return _falls(profile, first + int(high[0]), half), length - _falls(profile[::-1], length - 1 - first - int(high[-1]), half)


def _falls(profile: NDArray[np.float32], inner: int, level: float) -> float:
    """Where the profile falls to the level left of the cell `inner`, which is above it; 0 where it never does."""
    low = np.flatnonzero(profile[:inner] <= level)
    if not len(low):
        return 0.0
    outer = int(low[-1])
    return outer + 0.5 + (level - float(profile[outer])) / float(profile[outer + 1] - profile[outer])
