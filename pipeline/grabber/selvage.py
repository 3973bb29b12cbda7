"""Where the cloth lies in a picture: its two edges, found in each frame (pure)."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP_PX = 8
"""Columns are looked at in strips of this width."""
EDGE_STRIPS = 4
"""Within so many strips an edge of cloth is over."""
PICTURES = 15
"""Over so many pictures the edges are smoothed."""
MIN_LEVEL = 2.0
"""Cloth's texture is more than three grey levels, a bare camera's noise less."""
MIN_SHARE = 0.2
"""Cloth that fills less of a picture is none."""


def find_cloth(pixels: NDArray[np.uint8]) -> tuple[int, int] | None:
    """The first and the last column (exclusive) of cloth in a picture (H, W) or (H, W, 3), to a strip; None: no cloth.

    Cloth has texture, what lies beside it (a roller, a table, the dark or a bright lamp) has little: a strip is cloth
    where its fine texture, the median over its columns of the mean step from row to row and column to column, is above
    the valley between the dullest and the liveliest strips (Otsu's threshold on its logarithm). The edges are those of
    the longest run of cloth, gaps of up to two strips closed; where texture fades slowly (the lens is not sharp there)
    cloth goes on to where it breaks off.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    strips = grey.shape[1] // STRIP_PX
    if strips < 4 or grey.shape[0] < 2:
        return None
    grey = grey[:, : strips * STRIP_PX].astype(np.int16)
    along = np.abs(np.diff(grey, axis=0)).mean(axis=0)  # (W,)
    across = np.abs(np.diff(grey, axis=1, append=grey[:, -1:])).mean(axis=0)  # (W,)
    texture = np.median((along + across).reshape(strips, STRIP_PX), axis=1)  # (strips,)
    levels = np.log2(texture + 1.0)
    spread = levels.max() - levels.min()
    cloth = np.full(strips, levels.max() > MIN_LEVEL)
    if spread > 1.0:  # twice the texture: there is something beside the cloth
        scaled = ((levels - levels.min()) / spread * 255).astype(np.uint8)
        cloth = scaled > cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]
    closed = cv2.morphologyEx(cloth[None].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))[0]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], closed, [0]])))
    runs = edges.reshape(-1, 2)  # (runs, from and to)
    if not len(runs):
        return None
    first, last = (int(edge) for edge in runs[np.argmax(runs[:, 1] - runs[:, 0])])
    last = _breaks_off(levels, last, 0.4 * spread)
    first = strips - _breaks_off(levels[::-1], strips - first, 0.4 * spread)
    if last - first < MIN_SHARE * strips:
        return None
    return first * STRIP_PX, pixels.shape[1] if last == strips else last * STRIP_PX


def _breaks_off(levels: NDArray[np.float64], last: int, fall: float) -> int:
    """The first strip from `last` on behind which the level falls by so much within EDGE_STRIPS."""
    while last < len(levels) and levels[max(0, last - EDGE_STRIPS) : last].max() - levels[last] < fall:
        last += 1
    return last


class Edges:
    """One camera's edges, the median of the last pictures: a hole at the edge of one does not narrow the cloth."""

    def __init__(self, selvage_px: int) -> None:
        self._selvage_px = selvage_px
        self._found: deque[tuple[int, int]] = deque(maxlen=PICTURES)

    def look(self, pixels: NDArray[np.uint8]) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The cloth's edges, and the same less the selvages that are in the picture; None while no cloth was found."""
        if (found := find_cloth(pixels)) is not None:
            self._found.append(found)
        if not self._found:
            return None
        left, right = (int(np.median(side)) for side in zip(*self._found, strict=True))
        width = pixels.shape[1]
        inner = left + self._selvage_px * (left > 0), right - self._selvage_px * (right < width)
        return ((left, right), inner) if inner[0] < inner[1] else None
