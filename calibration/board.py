"""Corners and edges of a board in a picture, and where they are on the board (pure)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError

Array = NDArray[np.float64]
MIN_CORNERS = 12


def checkerboard(picture: NDArray[np.uint8], inner: tuple[int, int], square_mm: float, source: str) -> tuple[Array, Array]:
    """Its inner corners (N, 2) in px and in mm; InputError where not all of `inner` (columns, rows) are seen."""
    found, corners = cv2.findChessboardCornersSB(picture, inner, None, cv2.CALIB_CB_ACCURACY)
    if not found:
        raise InputError(
            f"no board of {inner[0]}x{inner[1]} inner corners found, {source}, show all of it, in focus and evenly lit"
        )
    mm = np.mgrid[0 : inner[0], 0 : inner[1]].T.reshape(-1, 2) * square_mm
    return corners.reshape(-1, 2).astype(np.float64), mm.astype(np.float64)


def charuco_board(
    picture: NDArray[np.uint8], inner: tuple[int, int], square_mm: float, dictionary: str, source: str
) -> tuple[Array, Array]:
    """The corners (N, 2) of a ChArUco board in px and in mm, also where it is seen in part; InputError where too few are."""
    number = getattr(cv2.aruco, dictionary, None)
    if not dictionary.startswith("DICT_") or number is None:
        raise InputError(f"no such ArUco dictionary {dictionary}, --charuco, give one like DICT_4X4_50")
    size = (inner[0] + 1, inner[1] + 1)
    # A marker's size matters only for poses, which are not asked for.
    board = cv2.aruco.CharucoBoard(size, square_mm, 0.75 * square_mm, cv2.aruco.getPredefinedDictionary(number))
    corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(picture)
    if ids is None or len(ids) < MIN_CORNERS:
        seen = 0 if ids is None else len(ids)
        raise InputError(f"only {seen} corners of the ChArUco board found, {source}, show more of it, in focus and evenly lit")
    mm = np.array(board.getChessboardCorners())[ids.ravel(), :2]
    return corners.reshape(-1, 2).astype(np.float64), mm.astype(np.float64)


def edge_width(picture: NDArray[np.uint8], px: Array, square_mm: float, mm: Array) -> float:
    """Median 10 to 90 % width in px of the edges half-way between corners that are neighbours across the cloth."""
    widths = []
    for a in range(len(px)):
        step = mm - mm[a]
        near = np.flatnonzero((np.abs(step[:, 1] - square_mm) < 1e-6) & (np.abs(step[:, 0]) < 1e-6))
        if len(near):
            x, y = (px[a] + px[near[0]]) / 2
            reach = max(4, int(0.12 * np.hypot(*(px[near[0]] - px[a]))))  # a ChArUco marker begins further on
            left = max(0, int(x) - reach)
            profile = picture[int(y), left : int(x) + reach + 1].astype(np.float64)
            low, high = np.percentile(profile, [5, 95])
            if high - low > 20:
                share = (profile - low) / (high - low)
                widths.append(np.count_nonzero((share > 0.1) & (share < 0.9)))
    return float(np.median(widths)) if widths else 0.0
