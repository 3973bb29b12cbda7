"""Enlarges cell scores to the smooth map of the picture that people look at and pixel metrics are computed on."""

import cv2
import numpy as np
from numpy.typing import NDArray

_SIGMA = 0.5
"""In cells: 4 px of the official 8."""
_WINDOW = 4
"""To each side, in sigma, where scipy's Gaussian ends."""
_MIN = 1e-6
"""Of a probability: nearer to 0 or 1 a float32 sigmoid has few digits left."""


def smooth_map(cells: NDArray[np.float32], cell_px: int = 8, sigma_px: float | None = None) -> NDArray[np.float32]:
    """Cell scores (rows, cols) as a map (rows * cell_px, cols * cell_px): bilinear, then a Gaussian of `sigma_px`,
    half a cell unless said.

    As GLASS computes it (half-pixel bilinear, scipy's symmetric border, a window of 4 sigma to each side).
    """
    rows, cols = cells.shape
    sigma_px = sigma_px or _SIGMA * cell_px
    large = cv2.resize(cells.astype(np.float32), (cols * cell_px, rows * cell_px), interpolation=cv2.INTER_LINEAR)
    kernel = (2 * round(_WINDOW * sigma_px) + 1,) * 2
    blurred = cv2.GaussianBlur(large, kernel, sigma_px, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)  # (rows * cell_px, cols * cell_px)


def smooth_odds(cells: NDArray[np.float32], cell_px: int = 8, median_share: float = 0.0) -> NDArray[np.float32]:
    """`smooth_map` taken of the cells' log odds, as probabilities again (rows * cell_px, cols * cell_px).

    A sigmoid hides how far beyond doubt a cell is; smoothed by itself, one doubtful cell outweighs its certain neighbours.
    A share of their median is taken off all of them: cloth of another roll, light or focus raises every cell, a defect its
    own few.
    """
    odds = log_odds(cells)  # (rows, cols)
    smoothed = smooth_map((odds - median_share * np.median(odds)).astype(np.float32), cell_px)
    return np.asarray(1 / (1 + np.exp(-smoothed)), dtype=np.float32)


def log_odds(cells: NDArray[np.floating]) -> NDArray[np.float64]:
    """Of scores in [0, 1], as far as a millionth from its ends."""
    p = np.clip(cells.astype(np.float64), _MIN, 1 - _MIN)
    return np.asarray(np.log(p / (1 - p)))


def smoothing(count: int, cell_px: int) -> NDArray[np.float64]:
    """What `smooth_map` does along one axis of `count` cells, as a matrix (count * cell_px, count).

    Both steps are linear and separable: the map of cells S is smoothing(rows) @ S @ smoothing(cols).T.
    """
    length = count * cell_px
    at = np.clip((np.arange(length) + 0.5) / cell_px - 0.5, 0, count - 1)  # (length,) in cells
    bilinear = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count)))  # (length, count)
    sigma_px = _SIGMA * cell_px
    reach = round(_WINDOW * sigma_px)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / sigma_px) ** 2)
    reached = np.arange(length)[:, None] + offsets  # (length, window)
    folded = reached % (2 * length)
    mirrored = np.where(folded < length, folded, 2 * length - 1 - folded)  # the edge pixel counts twice
    blur = np.zeros((length, length))
    np.add.at(blur, (np.arange(length)[:, None], mirrored), kernel / kernel.sum())
    return np.asarray(blur @ bilinear)
