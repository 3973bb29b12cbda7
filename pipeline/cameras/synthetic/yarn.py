"""Woven cloth as geometry: two sets of yarns that pass over and under each other, lit from above.

Everything is a function of (seed, absolute row, column), so a stretch of cloth can be made again at any time. It is
made in blocks of fixed rows, which keeps it the same to the last bit whichever rows are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

BLOCK_ROWS = 128
MARGIN_ROWS = 3
"""Rows made on either side of a block and cut off again: the lens blurs across its edges."""
WARP_PX = 5
"""Pitch of the warp yarns, which run along the cloth."""
WEFT_PX = 6
"""Pitch of the weft yarns, which run across it."""
FINE = 4
"""Samples of the repeat a pixel."""

WARP_OVER = {
    "plain": [[1, 0], [0, 1]],
    "twill": [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]],
    "satin": [[int((i - 2 * j) % 5 != 0) for i in range(5)] for j in range(5)],
}
"""Which yarn is on top where weft j (row) crosses warp i (column), 1 the warp. Twill 2/2, satin of 5 ends, step 2."""


def noise(seed: int, layer: int, rows: Ints, cols: Ints) -> Floats:
    """Unit-variance white noise that depends on the (absolute) row and column only: (len(rows), len(cols))."""
    h = rows.astype(np.uint32)[:, None] * np.uint32(0x9E3779B1)
    h = h ^ cols.astype(np.uint32)[None, :] * np.uint32(0x85EBCA77)
    h = h ^ np.array((seed * 0x27D4EB2F + layer * 0x165667B1) & 0xFFFFFFFF, np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):  # the finaliser of MurmurHash3
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    h = h ^ (h >> np.uint32(16))
    return (h.astype(np.float32) * np.float32(2**-31) - 1) * np.float32(np.sqrt(3))


def smooth_noise(seed: int, layer: int, row0: int, rows: int, cols: int, pitch: tuple[int, int]) -> Floats:
    """Noise that varies over `pitch` = (rows, cols) px: white noise on a coarse grid, cubic between its points."""
    first = row0 // pitch[0] - 1
    grid = noise(seed, layer, np.arange(first, (row0 + rows) // pitch[0] + 3), np.arange(-1, cols // pitch[1] + 3))
    return between(between(grid.T, 0, cols, pitch[1]).T, row0 - (first + 1) * pitch[0], rows, pitch[0])


def between(points: Floats, start: int, length: int, pitch: int) -> Floats:
    """Catmull-Rom interpolation down the columns of `points`, which lie `pitch` apart, the first at -pitch: (length, n).

    Plain sums rather than a matrix product: the same to the last bit on every machine, and no threads.
    """
    before, weights = _catmull_rom(start, length, pitch)
    return sum((points[before + k] * weights[k] for k in range(1, 4)), points[before] * weights[0])


@lru_cache
def _catmull_rom(start: int, length: int, pitch: int) -> tuple[Ints, Floats]:
    """First of the four points around each place (length,), and their weights (4, length, 1)."""
    place = (np.arange(length) + start) / pitch
    before = np.floor(place).astype(np.int64)
    t = place - before
    weights = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    return before, weights.astype(np.float32)[..., None]


def profile(across: Floats) -> Floats:
    """Height of a round yarn, 0 to 1, where `across` runs from 0 to 1 over its width."""
    return np.sqrt(np.maximum(1 - (2 * across - 1) ** 2, 0))


@lru_cache
def weave_repeat(weave: str) -> Floats:
    """One repeat of the weave, FINE samples a pixel, with a wrapped rim of 1: (H, W, 3).

    Channels: how far the warp lies above the weft; the warp's brightness; the weft's brightness.
    """
    over = np.array(WARP_OVER[weave], np.float32) * 2 - 1  # (n, n)
    n = len(over)
    down = (np.arange(n * WEFT_PX * FINE, dtype=np.float32) + 0.5) / (WEFT_PX * FINE)  # in wefts
    across = (np.arange(n * WARP_PX * FINE, dtype=np.float32) + 0.5) / (WARP_PX * FINE)  # in warps
    warp = np.floor(across).astype(int)
    weft = np.floor(down).astype(int)
    warp_rise, warp_slope = _undulation(over, down)  # (H, n): each warp along the cloth
    weft_rise, weft_slope = _undulation(-over.T, across)  # (W, n): each weft across it
    warp_rise, warp_slope = warp_rise[:, warp], warp_slope[:, warp]  # (H, W)
    weft_rise, weft_slope = weft_rise[:, weft].T, weft_slope[:, weft].T  # (H, W)
    warp_round = np.broadcast_to(profile(across - warp)[None, :], warp_rise.shape)
    weft_round = np.broadcast_to(profile(down - weft)[:, None], warp_rise.shape)
    height = 0.8 * (warp_rise - weft_rise) + 0.9 * (warp_round - weft_round)
    side = 2 * (across - warp) - 1
    warp_light = (0.30 + 0.70 * warp_round) * (0.80 + 0.20 * warp_rise + 0.10 * warp_slope) - 0.05 * side[None, :]
    weft_light = (0.30 + 0.70 * weft_round) * (0.80 + 0.20 * weft_rise + 0.04 * weft_slope)
    repeat = np.stack([height, warp_light, weft_light], axis=-1).astype(np.float32)
    return np.pad(repeat, ((1, 1), (1, 1), (0, 0)), mode="wrap")


def _undulation(over: NDArray[np.float32], along: Floats) -> tuple[Floats, Floats]:
    """Rise (-1 to 1) and slope of each yarn (column of `over`) at the places `along`: level where it stays up or down."""
    here = np.floor(along - 0.5).astype(int)
    part = (along - 0.5 - here)[:, None]
    before, after = over[here % len(over)], over[(here + 1) % len(over)]
    return before + (after - before) * (0.5 - 0.5 * np.cos(np.pi * part)), (after - before) * np.sin(np.pi * part)


@dataclass
class Cloth:
    """A block of cloth while it is being made; all arrays are (rows, width) of the block with its margins.

    Defects change it in two places: `warp_at` and `weft_at` before the yarns are looked up (yarns pushed aside), and
    the rest after (yarns broken, lifted, missing, soiled).
    """

    seed: int
    row0: int
    """Absolute row of the first row."""
    warp_at: Floats
    """Place across the cloth, in warp pitches: the integer part is the yarn, the rest how far across it."""
    weft_at: Floats
    """Place along the cloth, in weft pitches from `first_weft`."""
    first_weft: int
    warp_above: Floats
    """Above 0 the warp is on top."""
    warp_light: Floats
    weft_light: Floats
    no_warp: Floats
    no_weft: Floats
    """1 where the yarn is broken or gone."""
    tint: Floats
    """What lies on the cloth and darkens it."""
    truth: NDArray[np.int16]
    """Number of the defect that changed a place, from 1."""


def lay(seed: int, width: int, row0: int, rows: int) -> Cloth:
    """Yarns laid in place, with the unevenness of real ones in spacing; not yet woven."""
    shape = rows, width
    first_weft = row0 // WEFT_PX
    x = np.arange(width, dtype=np.float32)[None, :] + 0.5
    y = np.arange(rows, dtype=np.float32)[:, None] + (row0 - first_weft * WEFT_PX) + 0.5
    none = np.zeros((0, 0), np.float32)
    return Cloth(
        seed=seed,
        row0=row0,
        first_weft=first_weft,
        warp_at=(x + 0.40 * smooth_noise(seed, 1, row0, rows, width, (96, 12))) / np.float32(WARP_PX),
        weft_at=(y + 0.45 * smooth_noise(seed, 2, row0, rows, width, (14, 160))) / np.float32(WEFT_PX),
        warp_above=none,
        warp_light=none,
        weft_light=none,
        no_warp=np.zeros(shape, np.float32),
        no_weft=np.zeros(shape, np.float32),
        tint=np.ones(shape, np.float32),
        truth=np.zeros(shape, np.int16),
    )


def interlace(cloth: Cloth, weave: str) -> None:
    """Look up the weave at every place, and give each yarn its own thickness and brightness, varying along it."""
    repeat = weave_repeat(weave)
    n = len(WARP_OVER[weave])
    rows, width = cloth.warp_at.shape
    warp_in = cloth.warp_at - n * np.floor(cloth.warp_at / n)
    weft_in = cloth.weft_at + cloth.first_weft % n
    weft_in -= n * np.floor(weft_in / n)
    looked_up = cv2.remap(repeat, warp_in * (WARP_PX * FINE) + 0.5, weft_in * (WEFT_PX * FINE) + 0.5, cv2.INTER_LINEAR)

    yarns = np.arange(-4, width // WARP_PX + 5)
    picks = cloth.first_weft + np.arange(-4, rows // WEFT_PX + 6)
    warp = _unevenness(cloth.seed, 3, yarns, cloth.row0, rows, (0.10, 0.16), (0.022, 0.025))  # (yarns, rows, 2)
    weft = _unevenness(cloth.seed, 5, picks, 0, width, (0.10, 0.20), (0.018, 0.030))  # (picks, width, 2)
    down, across = _places(rows, width)
    of_warp = cv2.remap(warp, down, np.floor(cloth.warp_at) + 4, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    of_weft = cv2.remap(weft, across, np.floor(cloth.weft_at) + 4, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)

    cloth.warp_above = looked_up[..., 0] + (of_warp[..., 0] - of_weft[..., 0])
    cloth.warp_light = looked_up[..., 1] * (of_warp[..., 1] + 0.66)
    cloth.weft_light = looked_up[..., 2] * (of_weft[..., 1] + 0.58)


def _unevenness(
    seed: int, layer: int, yarns: Ints, start: int, length: int, thickness: tuple[float, float], brightness: tuple[float, float]
) -> Floats:
    """Thickness and brightness of each yarn along its length, (own, along) deviations: (len(yarns), length, 2)."""
    pitch = 40
    first = start // pitch - 1
    points = np.arange(first, (start + length) // pitch + 3)
    parts = [
        own * noise(seed, layer + n, yarns, np.array([-(2**30)]))
        + slow * between(noise(seed, layer + n, yarns, points).T, start - (first + 1) * pitch, length, pitch).T
        for n, (own, slow) in enumerate((thickness, brightness))
    ]
    return np.stack(parts, axis=-1)


@lru_cache
def _places(rows: int, width: int) -> tuple[Floats, Floats]:
    """Row and column of every place, (rows, width) each."""
    down, across = np.mgrid[:rows, :width].astype(np.float32)
    return down, across
