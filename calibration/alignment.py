"""Where a camera looks beside its neighbour, from cloth or a mark that both see (pure)."""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from calibration.camera_card import CameraCard
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


def align(left: NDArray[np.uint8], right: NDArray[np.uint8], overlap_px: int) -> tuple[float, float, float]:
    """Where the right camera's picture (H, W) lies in the left one's (H, W): columns, rows, and how well it fits (0..1).

    `overlap_px` is about how wide the right one's left margin is that both see. InputError where no place fits clearly
    better than all others, as on cloth that repeats itself: put a mark in the overlap.
    """
    height = min(left.shape[0], right.shape[0])
    patch_w, patch_h = max(16, overlap_px // 2), max(16, height // 2)
    if left.shape[1] < 2 * patch_w or right.shape[1] < patch_w or height < 32:
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


def _vertex(three: NDArray[np.floating]) -> float:
    """Of the parabola through three values, from the middle one."""
    if len(three) < 3:
        return 0.0
    a, b, c = (float(v) for v in three)
    return 0.0 if a - 2 * b + c == 0 else 0.5 * (a - c) / (a - 2 * b + c)
