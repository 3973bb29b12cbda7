"""How far a defect reaches, finer than cells: the width at half maximum of the discriminator's answer.

Scores are its answer through a sigmoid: near 1 they are all alike, so a strong defect's box at the threshold takes in all that
a cell sees of its surroundings, and a weak one's only its middle. The answer itself, smoothed over three cells, falls to half
between good cloth and the region's own peak at the defect's edge, however strong it is; a straight line between two cells gives
the place. What remains of the error is measured by `tools.studies.simulate_roll`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_MIN = 1e-6
"""Scores this near to 0 or 1 differ by rounding alone."""
_WEIGHTS = np.array([0.25, 0.5, 0.25], dtype=np.float32)
_FOOT = 3
"""So many cells around a defect still see it."""
Extent = tuple[float, float, float, float]
"""From x0, y0 to x1, y1, in cells."""
Box = tuple[int, int, int, int]


def extents(score_map: NDArray[np.float32], labels: NDArray[np.int32], regions: Sequence[tuple[int, Box]]) -> list[Extent]:
    """Of regions of cells, each given as its number in `labels` and its box [x0, y0, x1, y1), the highest score first.

    `score_map` and `labels` are (rows, cols), 0 is in no region. Cells of other regions count as good cloth. A region at the
    foot of one more than twice as strong is what cells there see of that one: it reaches no further.
    """
    steps = _steps(score_map)
    found: list[tuple[float, Box, Extent]] = []
    for label, (x0, y0, x1, y1) in regions:
        across = _own(steps, labels, np.s_[y0:y1], label).max(axis=0)  # (cols,)
        along = _own(steps, labels, np.s_[:, x0:x1], label).max(axis=1)  # (rows,)
        peak = float(across[x0:x1].max())
        over = next((e for p, box, e in found if 2 * peak < p and _at_foot((x0, y0, x1, y1), box)), None)
        if over is None:
            (left, right), (top, bottom) = _edges(across, x0, x1), _edges(along, y0, y1)
            extent = left, top, right, bottom
        else:
            left, right = np.clip((x0, x1), over[0], over[2])
            top, bottom = np.clip((y0, y1), over[1], over[3])
            extent = float(left), float(top), float(right), float(bottom)
        found.append((peak, (x0, y0, x1, y1), extent))
    return [extent for _, _, extent in found]


def _steps(score_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smoothed answers (rows, cols) above that of good cloth."""
    scores = np.clip(score_map, _MIN, 1 - _MIN).astype(np.float32)
    answers = cv2.sepFilter2D(np.log(scores / (1 - scores)), -1, _WEIGHTS, _WEIGHTS, borderType=cv2.BORDER_REPLICATE)
    cloth = score_map.any(axis=0)  # cells beside it are exactly 0
    return np.asarray(answers - np.median(answers[:, cloth] if cloth.any() else answers), dtype=np.float32)


def _own(steps: NDArray[np.float32], labels: NDArray[np.int32], at: Any, label: int) -> NDArray[np.float32]:
    numbers = labels[at]
    return np.where((numbers == 0) | (numbers == label), steps[at], np.float32(0))


def _at_foot(box: Box, of: Box) -> bool:
    return of[0] - _FOOT <= box[0] and of[1] - _FOOT <= box[1] and box[2] <= of[2] + _FOOT and box[3] <= of[3] + _FOOT


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
