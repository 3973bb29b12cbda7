"""Continues cloth beyond the edges of its picture by whole repeats of the weave."""

import numpy as np
from numpy.typing import NDArray

SHORTEST_PX, LONGEST_PX = 16, 96
MATCH_PX = 12
MATCH_COLUMNS = 256


def continued(
    picture: NDArray[np.uint8], top_px: int, bottom_px: int, left_px: int = 0, right_px: int = 0
) -> NDArray[np.uint8]:
    """A picture (H, W) or (H, W, 3) with so many px of cloth added at each side.

    A network sees zeros beyond a picture, or a mirrored weave, and scores good cloth high along the edges; the threshold
    then rises everywhere. The repeat is taken at each edge anew: the shift of 16 to 96 px after which the rows at the edge
    are most like themselves. A picture too small to show one is mirrored.
    """
    upright = _continued_rows(picture, top_px, bottom_px)
    if not left_px and not right_px:
        return upright
    return np.ascontiguousarray(_continued_rows(upright.swapaxes(0, 1), left_px, right_px).swapaxes(0, 1))


def _continued_rows(picture: NDArray[np.uint8], before: int, after: int) -> NDArray[np.uint8]:
    if not before and not after:
        return picture
    if len(picture) < SHORTEST_PX + MATCH_PX:
        return np.pad(picture, ((before, after),) + ((0, 0),) * (picture.ndim - 1), mode="reflect")
    rows = np.arange(-before, len(picture) + after)
    first = _repeat(picture) if before else 1
    last = _repeat(picture[::-1]) if after else 1
    rows = np.where(rows < 0, rows % first, rows)
    beyond = rows >= len(picture)
    rows[beyond] = len(picture) - 1 - (len(picture) - 1 - rows[beyond]) % last
    return picture[rows]


def _repeat(picture: NDArray[np.uint8]) -> int:
    """The number of rows after which the first rows come again; sums of whole numbers, the same on every machine."""
    columns = picture[:, :: max(1, picture.shape[1] // MATCH_COLUMNS)].astype(np.int16)
    edge = columns[:MATCH_PX]
    shifts = range(SHORTEST_PX, min(LONGEST_PX, len(picture) - MATCH_PX) + 1)
    return min(shifts, key=lambda shift: int(np.abs(columns[shift : shift + MATCH_PX] - edge).sum()))
