"""Millimetres per pixel, distortion, squareness and focus from a board or a ruler; encoder counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from calibration.board import charuco_board, checkerboard, edge_width
from calibration.camera_card import MAX_SIDE_PX, VALID_DAYS, CameraCard, Picture, check_width
from calibration.references import read_grey
from glass_core.errors import InputError

Array = NDArray[np.float64]
MIN_CORRECTED_PX = 0.5
"""Distortion below this is left alone: to resample costs more sharpness than it mends."""
MAX_RESIDUAL_PX = 1.5
MAX_BLUR_PX = 4.0
"""An edge of the board that takes longer from dark to bright is out of focus."""
MIN_MM_PER_PX, MAX_MM_PER_PX = 1e-4, 10.0
COVERED = 0.7
"""Share of the picture that a board must span before distortion is fitted."""


class ScaleCard(CameraCard):
    """The picture's scale at its middle; `bend` maps undistorted columns (and rows) to those of the camera."""

    kind: Literal["scale"] = "scale"
    method: Literal["checkerboard", "charuco", "ruler"]
    mm_per_px_x: float = Field(ge=MIN_MM_PER_PX, le=MAX_MM_PER_PX)
    mm_per_px_y: float | None = Field(ge=MIN_MM_PER_PX, le=MAX_MM_PER_PX)
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
    board: Path,
    inner: tuple[int, int],
    square_mm: float,
    line_scan: bool,
    camera: str,
    serial: str = "",
    valid_days: float = VALID_DAYS,
    charuco: str | None = None,
) -> tuple[ScaleCard, Picture]:
    """A card from one picture of a flat board with `inner` (columns, rows) corners between its squares.

    Beside it the picture as it will be seen, with a grid that straight lines should follow. `charuco`: name of an ArUco
    dictionary (e.g. DICT_4X4_50): the board may then be seen in part. InputError: no board, one too small to measure, a
    saturated or blurred picture, corners that lie on no plane.

    >>> card, picture = scale_from_board(folder / "board.png", (7, 5), square_mm=6.0, line_scan=False, camera="left")
    >>> f"{card.mm_per_px_x:.2f} mm per px across, {card.mm_per_px_y:.2f} along"
    '0.20 mm per px across, 0.30 along'
    >>> card.save(folder / "scale.json", picture)
    """
    if min(inner) < 3:
        raise InputError(f"board of {inner[0]}x{inner[1]} inner corners, --board, use one of at least 3x3")
    if square_mm <= 0:
        raise InputError(f"square of {square_mm:g} mm, --square-mm, measure one in mm")
    picture, source = read_grey(board), str(board)
    if (picture >= 254).mean() > 0.5:
        raise InputError(f"picture of the board is saturated, {source}, shorten the exposure")
    if charuco is None:
        px, mm = checkerboard(picture, inner, square_mm, source)
    else:
        px, mm = charuco_board(picture, inner, square_mm, charuco, source)
    blur_px = edge_width(picture, px, square_mm, mm)
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
    card = ScaleCard.measured(
        valid_days=valid_days, camera=camera, serial=serial, source=source, width_px=width, height_px=height,
        method="charuco" if charuco else "checkerboard", mm_per_px_x=across, mm_per_px_y=along,
        squareness_deg=round(angle - 90, 4), residual_px=round(residual_px, 4), blur_px=round(blur_px, 2),
        line_scan=line_scan, bend_x=bend_x, bend_y=bend_y,
    )  # fmt: skip
    return card, _corrected(card, picture)


def scale_from_ruler(
    picture: Path,
    rulers: Sequence[tuple[float, float, float, float, float]],
    line_scan: bool,
    camera: str,
    serial: str = "",
    valid_days: float = VALID_DAYS,
) -> tuple[ScaleCard, Picture]:
    """A card from a picture with one ruler laid across the cloth and perhaps one along it; beside it both as lines.

    Each ruler is (x0, y0, x1, y1) in px and its length in mm. InputError where one lies askew, or none across.

    >>> rulers = [(10, 20, 110, 22, 25.0), (60, 5, 60, 75, 21.0)]
    >>> card, picture = scale_from_ruler(folder / "picture.png", rulers, line_scan=True, camera="left")
    >>> card.mm_per_px_x, card.mm_per_px_y
    (0.25, 0.3)
    """
    seen, source = read_grey(picture), str(picture)
    drawn = np.asarray(cv2.cvtColor(seen, cv2.COLOR_GRAY2BGR), np.uint8)
    found: dict[str, float] = {}
    for x0, y0, x1, y1, length_mm in rulers:
        dx, dy = abs(x1 - x0), abs(y1 - y0)
        if not all(abs(place) <= MAX_SIDE_PX for place in (x0, y0, x1, y1)):  # NaN is no place either
            raise InputError(f"marks {x0:g},{y0:g} to {x1:g},{y1:g}, {source}, give places in the picture")
        if not 0 < length_mm < math.inf or max(dx, dy) < 10 or min(dx, dy) > 0.1 * max(dx, dy):
            raise InputError(f"marks {x0:g},{y0:g} to {x1:g},{y1:g} of {length_mm:g} mm, {source}, lay the ruler along an axis")
        found["x" if dx > dy else "y"] = length_mm / max(dx, dy)
        cv2.line(drawn, (round(x0), round(y0)), (round(x1), round(y1)), (0, 0, 255), 2)
    if "x" not in found:
        raise InputError(f"no ruler across the cloth, {source}, give one with --ruler")
    card = ScaleCard.measured(
        valid_days=valid_days, camera=camera, serial=serial, source=source, width_px=seen.shape[1], height_px=seen.shape[0],
        method="ruler", mm_per_px_x=found["x"], mm_per_px_y=found.get("y"), squareness_deg=None, residual_px=None,
        blur_px=None, line_scan=line_scan,
    )  # fmt: skip
    return card, drawn


def counts_per_mm(first: int, last: int, bits: int, length_mm: float) -> float:
    """Signed counts per mm from a register of so many bits, read before and after a known length ran forward.

    InputError where it did not count.

    >>> counts_per_mm(65_000, 464, bits=16, length_mm=100.0)  # it ran over
    10.0
    """
    if not 1 <= bits <= 64:
        raise InputError(f"a counter of {bits} bits, --bits, give 1 to 64")
    half = 1 << (bits - 1)
    step = (last - first + half) % (2 * half) - half
    if step == 0 or not 0 < length_mm < math.inf:
        raise InputError(f"{step} counts in {length_mm:g} mm, the encoder, let a longer piece of cloth run forward")
    return step / length_mm


def _corrected(card: ScaleCard, picture: Picture) -> Picture:
    """The picture (H, W) as it will be seen, (H, W, 3) BGR, under a grid."""
    drawn = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    maps = card.maps(*picture.shape)
    if maps is not None:
        drawn = np.asarray(cv2.remap(drawn, *maps, cv2.INTER_LINEAR), np.uint8)
    step = max(16, drawn.shape[1] // 16)
    drawn[:, ::step] = (0, 0, 255)
    drawn[::step] = (0, 0, 255)
    return drawn


def _unit(px: Array, size: int) -> Array:
    return px / (size / 2) - 1


def _terms(x: Array, y: Array, line_scan: bool) -> Array:
    """Powers up to the third; of a line-scan camera only those of x, since each row is taken alike."""
    if line_scan:
        return np.stack([np.ones_like(x), x, x**2, x**3], axis=-1)
    return np.stack([np.ones_like(x), x, y, x**2, x * y, y**2, x**3, x**2 * y, x * y**2, y**3], axis=-1)
