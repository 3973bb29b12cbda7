"""Millimetres per pixel, distortion, squareness and focus from a board or a ruler; encoder counts (pure)."""

from __future__ import annotations

import math
from typing import Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from calibration.camera_card import MAX_SIDE_PX, CameraCard, check_width
from glass_core.errors import InputError

Array = NDArray[np.float64]
MIN_CORNERS = 12
MIN_CORRECTED_PX = 0.5
"""Distortion below this is left alone: to resample costs more sharpness than it mends."""
MAX_RESIDUAL_PX = 1.5
MAX_BLUR_PX = 4.0
MAX_MM_PER_PX = 100.0
"""An edge of the board that takes longer from dark to bright is out of focus."""
COVERED = 0.7
"""Share of the picture that a board must span before distortion is fitted."""


class ScaleCard(CameraCard):
    """The picture's scale at its middle; `bend` maps undistorted columns (and rows) to those of the camera."""

    kind: Literal["scale"] = "scale"
    method: Literal["checkerboard", "charuco", "ruler"]
    mm_per_px_x: float = Field(gt=0, le=MAX_MM_PER_PX)
    mm_per_px_y: float | None = Field(gt=0, le=MAX_MM_PER_PX)
    """Null: not measured; then lengths along the cloth are null."""
    squareness_deg: float | None
    """Angle between the axes less 90: a camera askew, or rows out of step with the cloth."""
    residual_px: float | None
    blur_px: float | None
    """10 to 90 per cent of an edge, median over the board's."""
    line_scan: bool
    height_px: int = Field(ge=1, le=MAX_SIDE_PX)
    bend_x: tuple[float, ...] = ()
    bend_y: tuple[float, ...] = ()
    """Coefficients of _terms in picture coordinates from -1 to 1; empty: nothing to correct."""

    @model_validator(mode="after")
    def _as_many_coefficients_as_terms(self) -> Self:
        terms = _terms(np.zeros(1), np.zeros(1), self.line_scan).shape[-1]
        if len(self.bend_x) not in (0, terms) or len(self.bend_y) != (0 if self.line_scan else len(self.bend_x)):
            raise ValueError(f"{len(self.bend_x)} and {len(self.bend_y)} coefficients of distortion, a camera has {terms}")
        if any(abs(c) > MAX_SIDE_PX for c in (*self.bend_x, *self.bend_y)):
            raise ValueError(f"a coefficient of distortion beyond {MAX_SIDE_PX} px")
        return self

    def maps(self, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Source columns and rows of each pixel (H, W) for cv2.remap; None where nothing is corrected."""
        if not self.bend_x:
            return None
        check_width(self, width)
        v, u = np.mgrid[0:height, 0:width].astype(np.float64)
        terms = _terms(_unit(u, width), np.zeros_like(v) if self.line_scan else _unit(v, self.height_px), self.line_scan)
        x = terms @ np.array(self.bend_x)
        y = terms @ np.array(self.bend_y) if self.bend_y else v
        return x.astype(np.float32), y.astype(np.float32)


def scale_from_board(
    picture: NDArray[np.uint8],
    inner: tuple[int, int],
    square_mm: float,
    line_scan: bool,
    camera: str,
    serial: str,
    source: str,
    valid_days: float,
    charuco: str | None = None,
) -> ScaleCard:
    """A card from one picture (H, W) of a flat board with `inner` (columns, rows) corners between its squares.

    `charuco`: name of an ArUco dictionary (e.g. DICT_4X4_50): the board may then be seen in part. InputError: no board,
    a saturated or blurred picture, corners that lie on no plane.
    """
    if (picture >= 254).mean() > 0.5:
        raise InputError(f"picture of the board is saturated, {source}, shorten the exposure")
    if charuco is None:
        px, mm = _checkerboard(picture, inner, square_mm, source)
    else:
        px, mm = _charuco(picture, inner, square_mm, charuco, source)
    blur_px = _blur(picture, px, square_mm, mm)
    if blur_px > MAX_BLUR_PX:
        raise InputError(f"edges of the board are {blur_px:.1f} px wide, {source}, focus the lens")
    homogeneous = np.column_stack([px, np.ones(len(px))])  # (N, 3)
    to_mm = np.linalg.lstsq(homogeneous, mm, rcond=None)[0].T  # (2, 3): mm = to_mm @ (u, v, 1)
    height, width = picture.shape
    span = np.ptp(px, axis=0) / (width, height)
    wide_enough = span[0] >= COVERED and (line_scan or span[1] >= COVERED)
    straight = np.linalg.solve(to_mm[:, :2], (mm - to_mm[:, 2]).T).T  # (N, 2) where the corners would be undistorted
    bend_x: tuple[float, ...] = ()
    bend_y: tuple[float, ...] = ()
    error = straight - px
    if wide_enough:
        rows = np.zeros(len(px)) if line_scan else _unit(straight[:, 1], height)
        terms = _terms(_unit(straight[:, 0], width), rows, line_scan)
        fit = np.linalg.lstsq(terms, px, rcond=None)[0]  # (terms, 2)
        moved = np.abs(px - straight)[:, : 1 if line_scan else 2].max()
        if moved >= MIN_CORRECTED_PX:
            bend_x = tuple(fit[:, 0].tolist())
            bend_y = () if line_scan else tuple(fit[:, 1].tolist())
            error = terms @ fit - px
            if line_scan:
                error[:, 1] = (straight - px)[:, 1]
    residual_px = float(np.sqrt((error**2).sum(axis=1).mean()))
    if residual_px > MAX_RESIDUAL_PX:
        raise InputError(f"corners lie {residual_px:.1f} px off any plane, {source}, lay the board flat and at rest")
    x_axis, y_axis = to_mm[:, 0], to_mm[:, 1]  # mm for a step of one px
    across, along = float(np.hypot(*x_axis)), float(np.hypot(*y_axis))
    angle = math.degrees(math.acos(np.clip(x_axis @ y_axis / (across * along), -1, 1)))
    return ScaleCard.measured(
        valid_days=valid_days, camera=camera, serial=serial, source=source, width_px=width, height_px=height,
        method="charuco" if charuco else "checkerboard", mm_per_px_x=across, mm_per_px_y=along,
        squareness_deg=round(angle - 90, 4), residual_px=round(residual_px, 4), blur_px=round(blur_px, 2),
        line_scan=line_scan, bend_x=bend_x, bend_y=bend_y,
    )  # fmt: skip


def scale_from_ruler(
    rulers: list[tuple[float, float, float, float, float]],
    shape: tuple[int, int],
    line_scan: bool,
    camera: str,
    serial: str,
    source: str,
    valid_days: float,
) -> ScaleCard:
    """A card from one ruler laid across the cloth and perhaps one along it: (x0, y0, x1, y1) px and its length in mm."""
    found: dict[str, float] = {}
    for x0, y0, x1, y1, length_mm in rulers:
        dx, dy = abs(x1 - x0), abs(y1 - y0)
        if length_mm <= 0 or max(dx, dy) < 10 or min(dx, dy) > 0.1 * max(dx, dy):
            raise InputError(f"marks {x0:g},{y0:g} to {x1:g},{y1:g} of {length_mm:g} mm, {source}, lay the ruler along an axis")
        found["x" if dx > dy else "y"] = length_mm / max(dx, dy)
    if "x" not in found:
        raise InputError(f"no ruler across the cloth, {source}, give one with --ruler")
    return ScaleCard.measured(
        valid_days=valid_days, camera=camera, serial=serial, source=source, width_px=shape[1], height_px=shape[0],
        method="ruler", mm_per_px_x=found["x"], mm_per_px_y=found.get("y"), squareness_deg=None, residual_px=None,
        blur_px=None, line_scan=line_scan,
    )  # fmt: skip


def counts_per_mm(first: int, last: int, bits: int, length_mm: float) -> float:
    """Signed counts per mm from a register's readings before and after a known length ran forward; InputError where none."""
    half = 1 << (bits - 1)
    step = (last - first + half) % (2 * half) - half
    if step == 0 or length_mm <= 0:
        raise InputError(f"{step} counts in {length_mm:g} mm, the encoder, let a longer piece of cloth run forward")
    return step / length_mm


def _checkerboard(picture: NDArray[np.uint8], inner: tuple[int, int], square_mm: float, source: str) -> tuple[Array, Array]:
    found, corners = cv2.findChessboardCornersSB(picture, inner, None, cv2.CALIB_CB_ACCURACY)
    if not found:
        raise InputError(
            f"no board of {inner[0]}x{inner[1]} inner corners found, {source}, show all of it, in focus and evenly lit"
        )
    mm = np.mgrid[0 : inner[0], 0 : inner[1]].T.reshape(-1, 2) * square_mm
    return corners.reshape(-1, 2).astype(np.float64), mm.astype(np.float64)


def _charuco(
    picture: NDArray[np.uint8], inner: tuple[int, int], square_mm: float, dictionary: str, source: str
) -> tuple[Array, Array]:
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


def _blur(picture: NDArray[np.uint8], px: Array, square_mm: float, mm: Array) -> float:
    """Median 10 to 90 % width of the edges half-way between corners that are neighbours across the cloth."""
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


def _unit(px: Array, size: int) -> Array:
    return px / (size / 2) - 1


def _terms(x: Array, y: Array, line_scan: bool) -> Array:
    """Powers up to the third; of a line-scan camera only those of x, since each row is taken alike."""
    if line_scan:
        return np.stack([np.ones_like(x), x, x**2, x**3], axis=-1)
    return np.stack([np.ones_like(x), x, y, x**2, x * y, y**2, x**3, x**2 * y, x * y**2, y**3], axis=-1)
