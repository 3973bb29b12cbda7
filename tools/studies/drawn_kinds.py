"""Defects that training does not draw, for `tools.studies.unseen_kinds`: hairs, and patches of the cloth itself made different.

Of `weave_faults` and the pasted textures none blurs, sharpens, stretches or turns a little; a scratch is nearest to a fibre.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.synthesis.yarns import grey

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Spot:
    """A place in a good tile (s, s[, 3]) of grey levels: px from its middle, its radius, and the cloth's contrast."""

    tile: Floats
    dx: Floats
    dy: Floats
    radius_px: float
    contrast: float
    rng: np.random.Generator

    def within(self, other: Floats) -> Floats:
        """The tile with `other` in an ellipse round the middle, which fades out over a few px."""
        turn, narrow = self.rng.uniform(0, math.pi), self.rng.uniform(0.5, 1)
        u = self.dx * math.cos(turn) + self.dy * math.sin(turn)
        v = (self.dy * math.cos(turn) - self.dx * math.sin(turn)) / narrow
        inside = np.clip((self.radius_px - np.hypot(u, v)) / 3 + 0.5, 0, 1)
        return self.tile + _like(inside, self.tile) * (other - self.tile)

    def blurred(self, sigma_px: float) -> Floats:
        """The tile through a Gaussian."""
        return np.asarray(cv2.GaussianBlur(self.tile, (0, 0), sigma_px), dtype=np.float32)

    def moved(self, matrix: NDArray[np.float64]) -> Floats:
        """The tile taken from where a matrix (2, 2) leads about the middle."""
        x = matrix[0, 0] * self.dx + matrix[0, 1] * self.dy - self.dx[0, 0]
        y = matrix[1, 0] * self.dx + matrix[1, 1] * self.dy - self.dy[0, 0]
        at = x.astype(np.float32), y.astype(np.float32)
        return np.asarray(cv2.remap(self.tile, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), dtype=np.float32)

    def hairs(self, count: int, length_px: float, width_px: int) -> Floats:
        """(s, s) in 0..1: so many bent lines of a random way that begin within the radius."""
        drawn = np.zeros(self.dx.shape, dtype=np.uint8)
        for _ in range(count):
            way, steps = self.rng.uniform(0, 2 * math.pi), max(2, round(length_px / 3))
            ways = way + np.cumsum(self.rng.normal(0, 0.25, steps))
            start = self.rng.uniform(-0.7, 0.7, 2) * self.radius_px - (self.dx[0, 0], self.dy[0, 0])
            points = start + 3 * np.cumsum(np.stack([np.cos(ways), np.sin(ways)], axis=1), axis=0)
            cv2.polylines(drawn, [np.rint(points * 16).astype(np.int32)], False, 255, width_px, cv2.LINE_AA, 4)
        return np.asarray(drawn, dtype=np.float32) / np.float32(255)

    def lit(self, where: Floats, least: float, most: float) -> Floats:
        """The tile brighter or darker there, by so many times its contrast."""
        change = self.contrast * float(self.rng.uniform(least, most)) * float(self.rng.choice((-1, 1)))
        return self.tile + change * _like(where, self.tile)


def fibre(spot: Spot) -> Floats:
    """One bent hair of 20 to 60 px, 1 or 2 px wide."""
    return spot.lit(spot.hairs(1, spot.rng.uniform(20, 60), int(spot.rng.integers(1, 3))), 0.8, 2)


def fuzz(spot: Spot) -> Floats:
    """Many hairs of 8 px on one spot."""
    return spot.lit(spot.hairs(round(spot.radius_px * 1.5), 8, 1), 0.5, 1.5)


def blurred(spot: Spot) -> Floats:
    """A patch out of focus, by 0.8 to 2 px (sigma)."""
    return spot.within(spot.blurred(spot.rng.uniform(0.8, 2)))


def sharpened(spot: Spot) -> Floats:
    """A patch whose yarns stand out more."""
    return spot.within(spot.tile + spot.rng.uniform(0.7, 2) * (spot.tile - spot.blurred(1)))


def pale(spot: Spot) -> Floats:
    """A patch in which 0.3 to 0.7 of the yarns' contrast is gone."""
    return spot.within(spot.tile + spot.rng.uniform(0.3, 0.7) * (spot.blurred(6) - spot.tile))


def stretched(spot: Spot) -> Floats:
    """A patch with up to a quarter less yarns, along and across."""
    return spot.within(spot.moved(np.diag(spot.rng.uniform(0.75, 0.95, 2))))


def turned(spot: Spot) -> Floats:
    """A patch turned by 5 to 25 degrees."""
    turn = spot.rng.choice((-1, 1)) * math.radians(spot.rng.uniform(5, 25))
    return spot.within(spot.moved(np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])))


def noisy(spot: Spot) -> Floats:
    """A rough patch: noise of 0.3 to 0.8 of the contrast."""
    noise = spot.rng.normal(0, spot.contrast * spot.rng.uniform(0.3, 0.8), spot.dx.shape).astype(np.float32)
    return spot.within(spot.tile + _like(noise, spot.tile))


KINDS: tuple[Callable[[Spot], Floats], ...] = (fibre, fuzz, blurred, sharpened, pale, stretched, turned, noisy)


def draw(
    kind: Callable[[Spot], Floats], tile: NDArray[np.uint8], border_px: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A good tile (s, s[, 3]) with one defect, 5 to 20 px in radius, whose middle lies within what is scored of it."""
    radius_px = math.exp(rng.uniform(math.log(5), math.log(20)))
    margin = border_px + 8
    x, y = rng.uniform(margin, len(tile) - margin, 2)
    dy, dx = np.mgrid[: len(tile), : len(tile)].astype(np.float32) - np.array([y, x], dtype=np.float32)[:, None, None]
    levels = tile.astype(np.float32)
    contrast = max(float(grey(levels).std()), 2.0)
    return np.rint(kind(Spot(levels, dx, dy, radius_px, contrast, rng))).clip(0, 255).astype(np.uint8)


def _like(plane: NDArray[np.generic], tile: Floats) -> Floats:
    """(s, s) for each colour of a tile."""
    return np.asarray(plane if tile.ndim == 2 else plane[:, :, None], dtype=np.float32)
