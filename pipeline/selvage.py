"""Where the cloth lies in a picture: its two edges, found in each frame (pure)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP_PX = 8
"""Columns are looked at in strips: one cell of the model."""
LEAST_SHARE = 0.2
"""Cloth that fills less of a picture is none."""


def find_cloth(pixels: NDArray[np.uint8]) -> tuple[int, int] | None:
    """The first and the last column (exclusive) of cloth in a picture (H, W) or (H, W, 3), to a strip; None: no cloth.

    Cloth has texture, what lies beside it (a roller, a table, the dark or a bright lamp) has little: a strip is cloth
    where its fine texture, the median over its columns of the mean step from row to row and column to column, is above
    the valley between the darkest and the liveliest strips (Otsu's threshold on its logarithm). The edges are those of
    the longest run of cloth, gaps of up to two strips closed.
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
    cloth = np.full(strips, levels.max() > 1.0)
    if spread > 1.0:  # twice the texture: there is something beside the cloth
        scaled = ((levels - levels.min()) / spread * 255).astype(np.uint8)
        cloth = scaled > cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]
    closed = cv2.morphologyEx(cloth[None].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))[0]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], closed, [0]])))
    runs = edges.reshape(-1, 2)  # (runs, from and to)
    if not len(runs):
        return None
    first, last = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    if last - first < LEAST_SHARE * strips:
        return None
    return int(first) * STRIP_PX, pixels.shape[1] if last == strips else int(last) * STRIP_PX
