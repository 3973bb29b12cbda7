"""Where a camera looks beside its neighbour, from cloth or a mark that both see."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibration.camera_card import VALID_DAYS, CameraCard, Picture
from calibration.references import read_grey
from glass_core.errors import InputError

RIVAL = 0.85
"""A second place that fits so nearly as well as the best: cloth repeats itself."""
MIN_FIT = 0.5
MAX_APART_MM = 20_000.0


class AlignmentCard(CameraCard):
    """How far this camera's first column and row lie from those of its left neighbour, on cloth at rest."""

    kind: Literal["alignment"] = "alignment"
    neighbour: str
    right_mm: float = Field(ge=-MAX_APART_MM, le=MAX_APART_MM)
    up_mm: float = Field(ge=-MAX_APART_MM, le=MAX_APART_MM)
    """Up the cloth, as y_offset_mm."""
    fit: float


def align(
    left_picture: Path,
    right_picture: Path,
    overlap_px: int,
    neighbour: str,
    mm_per_px: tuple[float | None, float | None],
    camera: str,
    serial: str = "",
    valid_days: float = VALID_DAYS,
) -> tuple[AlignmentCard, Picture]:
    """The card of the right camera, `camera`, from pictures of both at rest; beside it both where they lie.

    The picture shows the left one red and the right one green: what both see alike is yellow. `overlap_px` is about how
    wide the right one's left margin is that both see, `mm_per_px` the left one's scale across and along the cloth.
    InputError where that is not known, or no place fits clearly better than all others, as on cloth that repeats itself:
    put a mark in the overlap.

    >>> pictures = folder / "left.png", folder / "right.png"
    >>> card, picture = align(*pictures, overlap_px=60, neighbour="left", mm_per_px=(0.2, 0.2), camera="right")
    >>> f"{card.right_mm:.1f} mm to the right, {card.up_mm:.1f} mm up"
    '18.0 mm to the right, -1.0 mm up'
    >>> card.save(folder / "alignment.json", picture)
    """
    across_mm, along_mm = mm_per_px
    if across_mm is None or along_mm is None:
        raise InputError(f"no scale, camera {neighbour}, calibrate its scale first")
    left, right = read_grey(left_picture), read_grey(right_picture)
    column, row, fit = _found(left, right, overlap_px)
    card = AlignmentCard.measured(
        valid_days=valid_days, camera=camera, serial=serial, source=f"{left_picture}, {right_picture}",
        width_px=right.shape[1], neighbour=neighbour, right_mm=round(column * across_mm, 4),
        up_mm=round(row * along_mm, 4), fit=round(fit, 4),
    )  # fmt: skip
    return card, _together(left, right, round(column), round(row))


def _found(left: Picture, right: Picture, overlap_px: int) -> tuple[float, float, float]:
    """Where the right picture (H, W) lies in the left one (H, W): columns, rows, and how well it fits (0..1)."""
    height = min(left.shape[0], right.shape[0])
    patch_w, patch_h = max(16, overlap_px // 2), max(16, height // 2)
    if overlap_px < 1 or left.shape[1] < 2 * patch_w or right.shape[1] < patch_w or height < 32:
        raise InputError(f"an overlap of {overlap_px} px does not fit pictures of {left.shape[1]} and {right.shape[1]} px")
    top = (right.shape[0] - patch_h) // 2
    patch = right[top : top + patch_h, :patch_w]
    first = max(0, left.shape[1] - 2 * overlap_px)
    column, row, fit, rival = place_in(left[:, first:], patch, apart_px=8)
    if fit < MIN_FIT or rival > RIVAL * fit:
        raise InputError(
            f"the overlap fits in several places or in none (best {fit:.2f}, next {rival:.2f}), the two pictures, "
            "lay a mark into the overlap and take both again at rest"
        )
    return first + column, row - top, fit


def place_in(picture: NDArray[np.uint8], patch: NDArray[np.uint8], apart_px: int) -> tuple[float, float, float, float]:
    """Column and row at which a patch (h, w) fits a picture (H, W) best, to parts of a pixel; how well it does there, and at
    the best place more than `apart_px` away: 0 to 1, 0 for a patch or picture without contrast."""
    fit = np.asarray(cv2.matchTemplate(picture, patch, cv2.TM_CCOEFF_NORMED), np.float32)
    _, best, _, (x, y) = cv2.minMaxLoc(fit)
    others = fit.copy()
    others[max(0, y - apart_px) : y + apart_px + 1, max(0, x - apart_px) : x + apart_px + 1] = 0
    if not math.isfinite(best) or patch.std() < 1:
        return 0.0, 0.0, 0.0, 0.0
    dx, dy = _vertex(fit[y, max(0, x - 1) : x + 2]), _vertex(fit[max(0, y - 1) : y + 2, x])
    return x + dx, y + dy, float(best), float(others.max())


def _together(left: Picture, right: Picture, column: int, row: int) -> Picture:
    """Both grey pictures on one canvas (H, W, 3) BGR, the right one moved by so much."""
    up = max(0, -row)
    height = max(left.shape[0] + up, right.shape[0] + max(0, row))
    drawn = np.zeros((height, max(left.shape[1], column + right.shape[1]), 3), np.uint8)
    drawn[up : up + left.shape[0], : left.shape[1], 2] = left
    drawn[up + row : up + row + right.shape[0], column : column + right.shape[1], 1] = right
    return drawn


def _vertex(three: NDArray[np.floating]) -> float:
    """Of the parabola through three values, from the middle one."""
    if len(three) < 3:
        return 0.0
    a, b, c = (float(v) for v in three)
    return 0.0 if a - 2 * b + c == 0 else 0.5 * (a - c) / (a - 2 * b + c)
