"""Enlarges cell scores to the smooth map of the picture that people look at and pixel metrics are computed on."""

import cv2
import numpy as np
from numpy.typing import NDArray

_SIGMA_PX = 4.0
_RADIUS_PX = 16  # scipy's truncation at four sigma


def smooth_map(cells: NDArray[np.float32], cell_px: int = 8) -> NDArray[np.float32]:
    """Cell scores (rows, cols) as a map (rows * cell_px, cols * cell_px): bilinear, then a Gaussian of sigma 4 px.

    As GLASS computes it (half-pixel bilinear, scipy's symmetric border, window of 33 px).
    """
    rows, cols = cells.shape
    large = cv2.resize(cells.astype(np.float32), (cols * cell_px, rows * cell_px), interpolation=cv2.INTER_LINEAR)
    kernel = (2 * _RADIUS_PX + 1, 2 * _RADIUS_PX + 1)
    blurred = cv2.GaussianBlur(large, kernel, _SIGMA_PX, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)  # (rows * cell_px, cols * cell_px)
