"""Perlin noise, and the random masks of local anomaly synthesis made from it (docs/explanation/glass.md#masks)."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

_MAX_EXPONENT = 5  # lattices of 1 to 32 cells a side
_THRESHOLD = 0.5
_TRIES_ON_FOREGROUND = 64


def perlin_noise(angles: NDArray[np.float64], size_px: int) -> NDArray[np.float32]:
    """Gradient noise (size, size) on a lattice of unit gradients at the given angles (rows + 1, cols + 1), radians.

    Quintic fade, scaled by sqrt(2); the lattice is sampled at i * rows / size. Perlin, "Improving noise" (2002).
    """
    rows, cols = angles.shape[0] - 1, angles.shape[1] - 1
    fade_y, slope_y = _basis(rows, size_px)
    fade_x, slope_x = _basis(cols, size_px)
    along_y, along_x = np.cos(angles, dtype=np.float32), np.sin(angles, dtype=np.float32)
    # A pixel sums fade * (gradient . offset) over four corners; split by axis, that is two products of small matrices.
    noise = slope_y @ along_y @ fade_x.T + fade_y @ along_x @ slope_x.T  # (size, size)
    return noise * np.float32(np.sqrt(2))


@lru_cache(maxsize=64)
def _basis(cells: int, size_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Per pixel of an axis, each lattice point's weight, and that weight times its offset; (size, cells + 1) each."""
    position = np.arange(size_px) * cells / size_px
    first = np.floor(position).astype(np.intp)
    offset = position - first
    weight = offset**3 * (offset * (6 * offset - 15) + 10)
    pixel = np.arange(size_px)
    fade = np.zeros((size_px, cells + 1), dtype=np.float32)
    slope = np.zeros_like(fade)
    fade[pixel, first], fade[pixel, first + 1] = 1 - weight, weight
    slope[pixel, first], slope[pixel, first + 1] = (1 - weight) * offset, weight * (offset - 1)
    return fade, slope


def random_blobs(size_px: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """One thresholded noise (size, size) with a random lattice, turned by up to 90 degrees; its corners run empty."""
    rows, cols = 2 ** rng.integers(0, _MAX_EXPONENT + 1, 2)
    noise = perlin_noise(rng.uniform(0, 2 * np.pi, (rows + 1, cols + 1)), size_px)
    centre = (size_px - 1) / 2
    turn = cv2.getRotationMatrix2D((centre, centre), rng.uniform(-90, 90), 1)
    turned = np.asarray(cv2.warpAffine(noise, turn, (size_px, size_px)), dtype=np.float32)
    return turned > _THRESHOLD  # (size, size)


def max_pool_cells(mask: NDArray[np.bool_], cell_px: int = 8) -> NDArray[np.bool_]:
    """A cell (size / cell_px, size / cell_px) is anomalous when any of its pixels is."""
    cells = mask.shape[0] // cell_px
    return np.asarray(mask.reshape(cells, cell_px, cells, cell_px).any(axis=(1, 3)))


def draw_mask(
    size_px: int, rng: np.random.Generator, foreground: NDArray[np.bool_] | None = None, cell_px: int = 8
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A random anomaly mask with at least one anomalous cell: pixels (size, size) and cells (size / cell_px, same).

    A third each of one noise, the intersection and the union of two, cut to the foreground (size, size). A foreground
    so small that no draw meets it is dropped, since waiting for one that does might never end.
    """
    tries = 0
    while True:
        mix = rng.random()
        mask = random_blobs(size_px, rng)
        if mix > 1 / 3:
            other = random_blobs(size_px, rng)
            mask = mask | other if mix > 2 / 3 else mask & other
        if foreground is not None and tries < _TRIES_ON_FOREGROUND:
            mask = mask & foreground
        if mask.any():
            return mask, max_pool_cells(mask, cell_px)
        tries += 1
