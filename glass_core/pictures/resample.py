"""Pictures brought to another size as the authors' library, Pillow, does it: bilinear and antialiased."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Level = TypeVar("Level", np.uint8, np.float32)

_FRACTION_BITS = 22
"""Of a weight (Pillow, src/libImaging/Resample.c, PRECISION_BITS)."""


def resize(image: NDArray[Level], height: int, width: int) -> NDArray[Level]:
    """An image (H, W[, C]) as (height, width[, C]), each level the mean of its neighbours under a triangle.

    The triangle is as wide as the picture shrinks. Across the picture comes first; levels of 8 bits are rounded after it,
    and again at the end.
    """
    across = _resize_rows(image.swapaxes(0, 1), width).swapaxes(0, 1)
    return np.ascontiguousarray(_resize_rows(across, height))


def _resize_rows(image: NDArray[Level], count: int) -> NDArray[Level]:
    """An image (H, ...) as (count, ...)."""
    if image.shape[0] == count:
        return image
    rows = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    made = np.empty((count, rows.shape[1]), image.dtype)
    for row, (first, weights) in zip(made, _triangles(image.shape[0], count), strict=True):
        if image.dtype == np.uint8:
            whole = np.floor(0.5 + weights * (1 << _FRACTION_BITS))
            total = whole @ rows[first : first + len(weights)]  # whole numbers below 2^31, so float64 is exact
            row[:] = (total.astype(np.int64) + (1 << (_FRACTION_BITS - 1))) >> _FRACTION_BITS
        else:
            row[:] = weights @ rows[first : first + len(weights)]
    return made.reshape(count, *image.shape[1:])


def _triangles(size: int, count: int) -> list[tuple[int, NDArray[np.float64]]]:
    """For each of `count` places the first of `size` pixels that it is made of, and their weights, whose sum is 1."""
    scale = size / count
    reach = max(scale, 1.0)
    found = []
    for place in range(count):
        centre = (place + 0.5) * scale
        first, end = max(0, int(centre - reach + 0.5)), min(size, int(centre + reach + 0.5))
        weights = np.maximum(0, 1 - np.abs((np.arange(first, end) - centre + 0.5) / reach))
        found.append((first, weights / weights.sum()))
    return found
