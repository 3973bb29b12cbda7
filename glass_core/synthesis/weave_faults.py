"""Faults of weaving made from the good cloth itself, along its own yarns: thin, structural, and weak ones among them.

GLASS pastes foreign textures, whose blots teach little of a missing pick or a float; the paper names synthesis without
auxiliary textures as its future work (section 5). Each fault moves, lights or replaces yarns of the tile; its mask is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.synthesis.yarns import Yarns, grey

Floats = NDArray[np.float32]
VISIBLE = 0.12
"""Least root mean square change inside the mask, as a share of the cloth's own standard deviation."""
TRIES = 4
MASKED = 0.25
"""Where a fault has this share of its full effect, the cloth counts as changed."""
DISPLACED_PX = 2.0
"""Yarns moved so far, or by half of their pitch, are a full effect: neighbours that make way belong to the fault."""


@dataclass(frozen=True)
class Place:
    """A tile seen from a fault: px along and across its yarn from its middle, the yarns' pitch, and the cloth's contrast."""

    tile: Floats
    grey: Floats
    u: Floats
    v: Floats
    along: tuple[float, float]
    across: tuple[float, float]
    pitch: float
    strength: float
    rng: np.random.Generator

    @property
    def contrast(self) -> float:
        return max(float(self.grey.std()), 2.0)

    @property
    def sign(self) -> float:
        return float(self.rng.choice((-1.0, 1.0)))

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> float:
        return float(np.exp(self.rng.uniform(math.log(low), math.log(high))))

    def length(self) -> Floats:
        """1 along a faulty length of three cells to the whole tile, falling to 0 within a pitch at its ends."""
        half = self.log_uniform(12, len(self.tile))
        return np.clip((half - np.abs(self.u)) / self.pitch + 0.5, 0, 1)

    def band(self, width_px: float) -> Floats:
        """1 across a width, falling to 0 within a px."""
        return np.clip(width_px / 2 - np.abs(self.v) + 0.5, 0, 1)

    def moved(self, du: Floats | float, dv: Floats | float) -> Floats:
        """The tile with each px taken from (du, dv) further on."""
        rows, cols = (np.arange(side, dtype=np.float32) for side in self.grey.shape)
        y, x = np.meshgrid(rows, cols, indexing="ij")
        y += np.float32(du * self.along[0] + dv * self.across[0])
        x += np.float32(du * self.along[1] + dv * self.across[1])
        return np.asarray(cv2.remap(self.tile, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), dtype=np.float32)

    def displaced(self, shift: Floats) -> Floats:
        """The effect of yarns moved by so many px."""
        return np.abs(shift) * np.float32(1 / min(DISPLACED_PX, self.pitch / 2))

    def mixed(self, other: Floats | float, weight: Floats) -> Floats:
        """`other` in the tile's stead by weight (h, w)."""
        return self.tile + (weight if self.tile.ndim == 2 else weight[:, :, None]) * (other - self.tile)


Fault = tuple[Floats, Floats]
"""The faulty tile and the share (h, w) of the fault's effect in each px."""


def misplaced_yarns(place: Place) -> Fault:
    """A missing or doubled yarn: neighbours close up to its place, or crowd."""
    reach = place.pitch * place.uniform(0.8, 2)
    most = place.sign * place.strength * place.pitch * place.uniform(0.4, 1.0)
    effect = place.length() * np.exp(-np.square(place.v / reach))
    shift = most * effect * np.tanh(2 * place.v / place.pitch)
    return place.moved(0.0, shift), np.maximum(effect, place.displaced(shift))


def wrong_interlacing(place: Place) -> Fault:
    """A wrong pick or end: a few yarns shifted along themselves, so that they cross in the wrong places."""
    effect = place.length() * place.band(place.pitch * place.uniform(0.8, 3))
    shift = place.sign * place.pitch * place.uniform(0.6, 2.5)
    return place.mixed(place.moved(shift, 0.0), effect * np.float32(min(1.0, place.strength + 0.3))), effect


def off_shade_yarns(place: Place) -> Fault:
    """Thick, thin, dirty or missing yarns: one or a few are brighter or darker than theirs should be."""
    effect = place.length() * place.band(max(1.5, place.pitch * place.uniform(0.5, 3)))
    level = place.sign * place.strength * place.contrast * place.uniform(0.3, 1.5)
    return place.mixed(place.tile + np.float32(level), effect), effect


def float_(place: Place) -> Fault:
    """A yarn that skips interlacings: its own mean along its way, and a little brighter or darker."""
    effect = place.length() * place.band(place.pitch * place.uniform(0.8, 1.6))
    taps = 2 * int(place.pitch * place.uniform(1.5, 4)) + 1
    kernel = np.zeros((taps, taps), np.float32)
    end = np.array(place.along[::-1]) * (taps // 2)
    middle = np.array([taps // 2, taps // 2])
    cv2.line(kernel, tuple(map(int, np.rint(middle - end))), tuple(map(int, np.rint(middle + end))), 1.0)
    smooth = np.asarray(cv2.filter2D(place.tile, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101))
    level = np.float32(place.sign * place.strength * place.contrast * place.uniform(0.0, 0.8))
    return place.mixed(smooth + level, effect * np.float32(min(1.0, place.strength + 0.2))), effect


def slub(place: Place) -> Fault:
    """A thick place in a yarn, a lens that pushes its neighbours aside."""
    half = place.log_uniform(12, 80)
    lens = np.cos(np.clip(place.u / half, -1, 1) * np.float32(np.pi / 2)) ** 2
    thick = place.strength * place.uniform(0.6, 1.8) * lens
    reach = place.pitch * (1 + thick) / 2
    beyond = np.maximum(np.abs(place.v) - reach, 0) / (2 * place.pitch)
    inside = np.minimum(np.abs(place.v), reach)
    shift = np.sign(place.v) * (inside / (1 + thick) - inside) * np.exp(-beyond)
    level = np.float32(place.strength * place.contrast * place.uniform(-0.2, 0.4))
    effect = lens * (np.abs(place.v) < 0.6 * place.pitch * (1 + thick))
    faulty = place.moved(0.0, shift) + (effect * level if place.tile.ndim == 2 else (effect * level)[:, :, None])
    return faulty, np.maximum(effect, place.displaced(shift))


def wrong_cloth(place: Place) -> Fault:
    """A patch in which the weave is out of step: the same cloth from elsewhere, or turned."""
    effect = _blot(place, place.log_uniform(5, 40), softness=0.3)
    other = np.roll(place.tile, tuple(place.rng.integers(16, len(place.tile) - 16, 2)), axis=(0, 1))
    if place.rng.random() < 0.3:
        other = np.swapaxes(place.tile, 0, 1)
    return place.mixed(np.ascontiguousarray(other), effect * np.float32(min(1.0, place.strength + 0.3))), effect


def hole_or_knot(place: Place) -> Fault:
    """A few broken yarns: a small dark or bright place whose rim is crowded."""
    radius = place.log_uniform(2, 12)
    effect = _blot(place, radius, softness=0.5)
    distance = np.hypot(place.u, place.v) / radius
    back = place.sign * place.strength * min(0.3 * radius, 3.0) * np.exp(-np.abs(distance - 1) * 2) / np.maximum(distance, 0.5)
    level = place.grey.mean() + place.sign * place.contrast * (1 + 2 * place.strength)
    moved = place.moved(back * place.u / radius, back * place.v / radius)
    rim = np.maximum(effect, place.displaced(back * distance))
    there = effect * np.float32(min(1.0, place.strength + 0.1))
    return moved + (there if moved.ndim == 2 else there[:, :, None]) * (np.float32(level) - moved), rim


def soft_stain(place: Place) -> Fault:
    """Oil, dirt or a worn place: soft, low in contrast, the weave shows through."""
    effect = _blot(place, place.log_uniform(10, 60), softness=0.8)
    gain = np.float32(1 + place.sign * place.strength * place.uniform(0.05, 0.3))
    return place.mixed(place.tile * gain, effect), effect


FAULTS: tuple[Callable[[Place], Fault], ...] = (
    misplaced_yarns, wrong_interlacing, off_shade_yarns, float_, slub, wrong_cloth, hole_or_knot, soft_stain,
)  # fmt: skip


def weave_faults(
    tile: NDArray[np.uint8],
    yarns: tuple[Yarns, Yarns],
    rng: np.random.Generator,
    count: int = 1,
    kinds: tuple[Callable[[Place], Fault], ...] = FAULTS,
) -> tuple[Floats, NDArray[np.bool_]]:
    """A tile (s, s) or (s, s, 3) with `count` faults of warp or weft, grey levels float32, and the changed px (s, s).

    A fault that cannot be seen is drawn again, stronger, and left out when it stays invisible.
    """
    picture = tile.astype(np.float32)
    changed = np.zeros(tile.shape[:2], bool)
    for _ in range(count):
        strength = float(rng.uniform(0.3, 1.0))
        for _ in range(TRIES):
            place = _place(picture, yarns, strength, rng)
            faulty, effect = kinds[int(rng.integers(len(kinds)))](place)
            mask = effect > MASKED
            change = faulty[mask] - picture[mask]
            if mask.any() and np.sqrt(np.square(change).mean()) >= VISIBLE * place.contrast:
                picture, changed = np.clip(faulty, 0, 255), changed | mask
                break
            strength = min(1.0, strength + 0.3)
    return picture, changed


def _place(picture: Floats, yarns: tuple[Yarns, Yarns], strength: float, rng: np.random.Generator) -> Place:
    number = int(rng.integers(2))
    tilt, pitch = yarns[number].tilt_rad, yarns[number].pitch_px
    straight, aside = math.cos(tilt), math.sin(tilt)
    # (y, x) of a step along and across: warp runs along y, weft along x, both turned by their tilt
    along, across = ((straight, aside), (-aside, straight)) if number == 0 else ((aside, straight), (straight, -aside))
    side = len(picture)
    y, x = (np.arange(side, dtype=np.float32) - np.float32(rng.uniform(0, side)) for _ in range(2))
    y, x = y[:, None], x[None, :]
    u, v = (np.float32(step[0]) * y + np.float32(step[1]) * x for step in (along, across))
    return Place(picture, grey(picture), u, v, along, across, pitch, strength, rng)


def _blot(place: Place, radius_px: float, softness: float) -> Floats:
    """An uneven round or long spot: 1 inside, falling to 0 over a share of its radius."""
    stretch = place.log_uniform(1, 2.5)
    distance = np.hypot(place.u / stretch, place.v * stretch) / radius_px
    side = len(place.grey)
    coarse = max(3, int(side / max(radius_px, 4)) + 2)
    ragged = cv2.resize(
        place.rng.normal(0, 0.2, (coarse, coarse)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    return np.clip((1 + ragged - distance) / softness, 0, 1).astype(np.float32)
