"""After how many px the pattern of a cloth comes again, so that a tile can be held against it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from glass_core.synthesis.yarns import grey

ALIKE = 0.3
"""Least autocorrelation at which cloth counts as repeating."""
AS_GOOD = 0.95
"""The repeat is the first shift that fits so well as a share of the best: at multiples of a yarn's pitch only yarns fit."""


def repeat_length(pictures: Iterable[NDArray[np.uint8]]) -> tuple[int | None, int | None]:
    """The repeat along (y) and across (x) the cloth, in px, of good pictures (H, W[, 3]); None where none is clear.

    By the autocorrelation of rows and of columns, up to half of a picture's side: a longer repeat cannot be seen. Of several
    pictures the longest counts.
    """
    found = [(_repeat(grey.T), _repeat(grey)) for grey in map(grey, pictures)]
    along, across = ([each[axis] for each in found if each[axis] is not None] for axis in (0, 1))
    return max(along, default=None), max(across, default=None)  # type: ignore[type-var]


def _repeat(lines: NDArray[np.float64]) -> int | None:
    """The repeat along the lines (n, length)."""
    length = lines.shape[1]
    centred = lines - lines.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(centred, 2 * length, axis=1)) ** 2  # padded, so that ends do not meet
    alike = np.fft.irfft(spectrum.mean(axis=0))[: length // 2] / np.arange(length, length - length // 2, -1)
    if len(alike) < 3 or alike[0] <= 0:
        return None
    alike = alike / alike[0]
    peaks = np.flatnonzero((alike[1:-1] > alike[:-2]) & (alike[1:-1] >= alike[2:])) + 1
    if not len(peaks) or alike[peaks].max() < ALIKE:
        return None
    return int(peaks[alike[peaks] >= AS_GOOD * alike[peaks].max()][0])
