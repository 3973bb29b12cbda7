"""Which way the yarns of a cloth run and how far apart they lie, from the spectrum of good pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_TILT_DEG = 15.0
SHORTEST_PX, LONGEST_PX = 2.5, 24.0
CLEAR_PEAK = 20.0
"""A wave counts as a set of yarns when it is so many times stronger than what is usual at its wavelength."""
UNCLEAR_PITCH_PX = 4.0


@dataclass(frozen=True)
class Yarns:
    """One set of yarns: the angle of their way, counted from straight along (warp) or across (weft) the cloth, and pitch."""

    tilt_rad: float
    pitch_px: float


def find_yarns(tiles: Sequence[NDArray[np.uint8]]) -> tuple[Yarns, Yarns]:
    """Warp and weft of square tiles (s, s[, 3]) of one size.

    A set of yarns is a wave that runs across them, hence a peak of the mean spectrum near an axis. Without a clear peak
    the yarns are taken to run straight, UNCLEAR_PITCH_PX apart.
    """
    power = np.mean([_power(tile) for tile in tiles], axis=0)  # (s, s), frequency 0 in the middle
    f = np.fft.fftshift(np.fft.fftfreq(len(power)))
    radius = np.hypot(f[:, None], f[None, :])
    ring = np.round(radius * len(power)).astype(int)
    usual = np.array([np.median(power[ring == r]) for r in range(int(ring.max()) + 1)])[ring]
    clear = np.where((radius > 1 / LONGEST_PX) & (radius < 1 / SHORTEST_PX), power / np.maximum(usual, 1e-12), 0)
    return _peak(clear, f[None, :], f[:, None]), _peak(clear, f[:, None], f[None, :])


def grey(picture: NDArray[Any]) -> NDArray[Any]:
    """The mean of a picture's colours, (H, W); a grey picture as it is."""
    return picture if picture.ndim == 2 else picture.mean(axis=2)


def _power(tile: NDArray[np.uint8]) -> NDArray[np.float64]:
    levels, window = grey(tile), np.hanning(len(tile))
    spectrum = np.fft.fft2((levels - levels.mean()) * window * window[:, None])
    return np.abs(np.fft.fftshift(spectrum)) ** 2


def _peak(clear: NDArray[np.float64], across: NDArray[np.float64], along: NDArray[np.float64]) -> Yarns:
    """The clearest wave whose frequency lies near the `across` axis."""
    near = (across > 0) & (np.abs(along) <= math.tan(math.radians(MAX_TILT_DEG)) * across)
    row, col = np.unravel_index(np.argmax(np.where(near, clear, 0)), clear.shape)
    if clear[row, col] < CLEAR_PEAK:
        return Yarns(0.0, UNCLEAR_PITCH_PX)
    a, b = (np.broadcast_to(axis, clear.shape)[row, col] for axis in (across, along))
    return Yarns(tilt_rad=-math.atan2(b, a), pitch_px=1 / math.hypot(a, b))
