"""Weaving and handling faults as changes to the yarns of a block of cloth, each at a known place.

Kinds (names of the trade): missing yarn (an end out or a broken pick), slub (a thick place in a yarn), hole (broken
yarns whose ends stand back), stain (oil or dirt, soft and low in contrast), float (a yarn that skips interlacings).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.cameras.synthetic.yarn import WARP_PX, WEFT_PX, Cloth, Floats, noise, profile, smooth_noise
from pipeline.config.cameras import WovenDefect

REACH_PX = 36
"""A defect moves yarns so far around itself."""
SOFT = 0.25
"""What fades out, a slub's taper or a stain's edge, is marked as far as it has so much of its full strength."""
BEHIND = 0.10
"""Brightness of what lies behind the cloth."""


@dataclass(frozen=True)
class Placed:
    """A defect in pixels: its centre, half its length, and which set of yarns it is in."""

    number: int
    defect: WovenDefect
    y_px: float
    x_px: float
    half_y_px: float
    half_x_px: float
    in_warp: bool

    def touches(self, row0: int, rows: int) -> bool:
        """Whether it changes any of these rows."""
        reach = self.half_y_px + REACH_PX + WEFT_PX
        return row0 < self.y_px + reach and self.y_px - reach < row0 + rows


def place(number: int, defect: WovenDefect, weave: str, seed: int, mm_per_px_y: float, mm_per_px_x: float) -> Placed:
    """A defect on the pixel grid; a yarn fault lies in the warp or the weft by lot.

    A float in satin is always in the weft: there the warp floats by design.
    """
    by_lot = bool(noise(seed, 20, np.array([number]), np.zeros(1, np.int64))[0, 0] > 0)
    in_warp = by_lot and not (defect.kind == "float" and weave == "satin")
    half_y, half_x = defect.size_mm / mm_per_px_y / 2, defect.size_mm / mm_per_px_x / 2
    if defect.kind in ("missing_yarn", "slub", "float"):
        half_y, half_x = (half_y, WARP_PX / 2) if in_warp else (WEFT_PX / 2, half_x)
    return Placed(number, defect, defect.at_mm / mm_per_px_y, defect.x_mm / mm_per_px_x, half_y, half_x, in_warp)


class Window:
    """The part of a block that a defect may change: views into the block's arrays, and places relative to the centre."""

    def __init__(self, placed: Placed, cloth: Cloth) -> None:
        rows, width = cloth.warp_at.shape
        top = max(0, int(placed.y_px - placed.half_y_px) - REACH_PX - cloth.row0)
        bottom = min(rows, int(placed.y_px + placed.half_y_px) + REACH_PX - cloth.row0)
        left, right = int(placed.x_px - placed.half_x_px) - REACH_PX, int(placed.x_px + placed.half_x_px) + REACH_PX
        self.at = np.s_[min(top, rows) : max(bottom, 0), min(max(left, 0), width) : max(min(right, width), 0)]
        self.placed = placed
        self.cloth = cloth
        y = np.arange(rows)[self.at[0]] + (cloth.row0 - placed.y_px) + 0.5
        x = np.arange(width)[self.at[1]] - placed.x_px + 0.5
        self.y: Floats = y.astype(np.float32)[:, None]
        self.x: Floats = x.astype(np.float32)[None, :]

    @property
    def along(self) -> Floats:
        """1 along the yarn's faulty length, 0 beyond it, soft over a pitch at both ends."""
        distance, half, pitch = (
            (self.y, self.placed.half_y_px, WEFT_PX) if self.placed.in_warp else (self.x, self.placed.half_x_px, WARP_PX)
        )
        return np.clip((half - np.abs(distance)) / pitch + 0.5, 0, 1)

    @property
    def across(self) -> Floats:
        """Distance from the middle of the faulty yarn, in pitches."""
        return self.places - self.middle

    @property
    def places(self) -> Floats:
        """Where the yarns of the faulty set lie here: a view, to be changed in place."""
        return (self.cloth.warp_at if self.placed.in_warp else self.cloth.weft_at)[self.at]

    @property
    def middle(self) -> float:
        """Middle of the faulty yarn on the scale of `places`."""
        if self.placed.in_warp:
            return self.placed.x_px // WARP_PX + 0.5
        return self.placed.y_px // WEFT_PX - self.cloth.first_weft + 0.5

    def mark(self, changed: NDArray[np.bool_]) -> None:
        """Write the defect into the ground truth."""
        self.cloth.truth[self.at][changed] = self.placed.number + 1


def push(window: Window) -> None:
    """Move yarns aside, before they are interlaced."""
    defect = window.placed.defect
    if defect.kind == "slub":
        v, thick = window.across, 1.3 * defect.strength * _lens(window)
        beside = np.abs(v) - (1 + thick) / 2  # beyond the thick yarn's edge, its neighbours give way
        window.places[...] = window.middle + np.where(
            beside < 0, v / (1 + thick), np.sign(v) * (np.abs(v) - thick / 2 * np.exp(-beside / 2))
        )
    elif defect.kind == "missing_yarn":
        v = window.across
        window.places[...] += 0.30 * defect.strength * window.along * np.tanh(4 * v) * np.exp(-np.abs(v) / 2)
    elif defect.kind == "hole":
        half_px = min(window.placed.half_y_px, window.placed.half_x_px)
        back_px = defect.strength * min(0.22 * half_px, 4.0) * np.exp(-np.abs(_radius(window) - 1) * half_px / 8)
        back = back_px / np.maximum(np.hypot(window.y, window.x), 3)  # the torn ends stand back and crowd the rim
        window.cloth.warp_at[window.at] -= back * window.x / WARP_PX
        window.cloth.weft_at[window.at] -= back * window.y / WEFT_PX


def spoil(window: Window) -> None:
    """Break, lift, thicken or soil yarns, after they are interlaced."""
    {"missing_yarn": _missing_yarn, "slub": _slub, "hole": _hole, "stain": _stain, "float": _float}[window.placed.defect.kind](
        window
    )


def _missing_yarn(window: Window) -> None:
    cloth, at, s = window.cloth, window.at, window.placed.defect.strength
    gone = window.along * (np.abs(window.across) < 0.5)
    sign = -1 if window.placed.in_warp else 1
    cloth.warp_above[at] += sign * 4 * s * gone
    light = cloth.warp_light if window.placed.in_warp else cloth.weft_light
    light[at] *= 1 - 0.4 * s * gone  # a thin yarn, where it is not wholly gone
    other = cloth.weft_light if window.placed.in_warp else cloth.warp_light
    other[at] *= 1 - 0.22 * s * gone  # nothing beneath it throws light back
    window.mark(gone > 0.1)


def _float(window: Window) -> None:
    cloth, at, s = window.cloth, window.at, window.placed.defect.strength
    lifted = window.along * (np.abs(window.across) < 0.5)
    cloth.warp_above[at] += (1 if window.placed.in_warp else -1) * 4 * s * lifted
    light = cloth.warp_light if window.placed.in_warp else cloth.weft_light
    level = 0.72 * (0.30 + 0.70 * profile(window.across + 0.5))
    light[at] += s * lifted * (level - light[at])
    window.mark(lifted > 0.1)


def _slub(window: Window) -> None:
    cloth, at, s = window.cloth, window.at, window.placed.defect.strength
    thick = s * _lens(window) * (np.abs(window.across) < 0.5)
    cloth.warp_above[at] += (1 if window.placed.in_warp else -1) * 1.6 * thick
    light = cloth.warp_light if window.placed.in_warp else cloth.weft_light
    light[at] *= 1 + 0.10 * thick
    window.mark((_lens(window) > SOFT) & (np.abs(window.across) < 0.5))


def _lens(window: Window) -> Floats:
    """Thickness along a slub: 1 in the middle, tapering to 0 at its ends."""
    distance, half = (window.y, window.placed.half_y_px) if window.placed.in_warp else (window.x, window.placed.half_x_px)
    return np.cos(np.clip(distance / half, -1, 1) * np.float32(np.pi / 2)) ** 2


def _radius(window: Window) -> Floats:
    """Distance from the centre, 1 on the defect's rim."""
    return np.hypot(window.y / window.placed.half_y_px, window.x / window.placed.half_x_px)


def _hole(window: Window) -> None:
    cloth, at, placed = window.cloth, window.at, window.placed
    warps = np.floor(cloth.warp_at[at]).astype(np.int64)
    wefts = np.floor(cloth.weft_at[at]).astype(np.int64) + cloth.first_weft

    def broken(yarn: NDArray[np.int64], layer: int, beside: Floats, along: Floats) -> NDArray[np.bool_]:
        """Each yarn that crosses the hole is torn at its own two places, near the rim."""
        lowest = int(yarn.min())
        tear = noise(cloth.seed + placed.number, layer, np.arange(lowest, int(yarn.max()) + 1), np.arange(2))
        ends = tear[yarn - lowest, (along > 0).astype(int)]
        reach = np.sqrt(np.maximum(1 - beside**2, 0)) * (1 + 0.16 * ends)
        return (np.abs(along) < reach) & (np.abs(beside) < 1)

    x, y = window.x / np.float32(placed.half_x_px), window.y / np.float32(placed.half_y_px)
    x, y = np.broadcast_arrays(x, y)
    no_warp, no_weft = broken(warps, 21, x, y), broken(wefts, 22, y, x)
    cloth.no_warp[at] = np.maximum(cloth.no_warp[at], placed.defect.strength * no_warp)
    cloth.no_weft[at] = np.maximum(cloth.no_weft[at], placed.defect.strength * no_weft)
    window.mark(no_warp | no_weft)


def _stain(window: Window) -> None:
    cloth, at, placed = window.cloth, window.at, window.placed
    rows, cols = cloth.tint[at].shape
    pitch = max(4, int(min(placed.half_y_px, placed.half_x_px) * 0.8))
    top = cloth.row0 + at[0].start
    left = at[1].start
    ragged = smooth_noise(cloth.seed + placed.number, 23, top, rows, left + cols, (pitch, pitch))[:, left:]
    inside = np.clip((1 - _radius(window) + 0.16 * ragged) / 0.35, 0, 1)  # (rows, cols)
    rim = 4 * inside * (1 - inside)  # a drying drop leaves its edge darker
    cloth.tint[at] *= 1 - placed.defect.strength * (0.26 * inside + 0.06 * rim)
    window.mark(inside > SOFT)
