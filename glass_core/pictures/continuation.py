"""Continues cloth beyond the edges of its picture by whole repeats of the weave."""

import cv2
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
    if not (top_px or bottom_px or left_px or right_px):
        return picture
    height, width = picture.shape[:2]
    whole = np.empty((top_px + height + bottom_px, left_px + width + right_px, *picture.shape[2:]), dtype=np.uint8)
    middle = whole[:, left_px : left_px + width]
    middle[top_px : top_px + height] = picture
    _fill(middle, top_px, bottom_px)
    _fill(whole.swapaxes(0, 1), left_px, right_px)
    return whole


def _fill(whole: NDArray[np.uint8], before: int, after: int) -> None:
    """The first `before` and the last `after` rows, from those between."""
    end = len(whole) - after
    known = whole[before:end]
    if len(known) < SHORTEST_PX + MATCH_PX:
        whole[...] = np.pad(known, ((before, after),) + ((0, 0),) * (known.ndim - 1), mode="reflect")
        return
    if before:
        whole[:before] = known[np.arange(-before, 0) % _repeat(known)]
    if after:
        whole[end:] = known[::-1][np.arange(-after, 0)[::-1] % _repeat(known[::-1])]


def _repeat(picture: NDArray[np.uint8]) -> int:
    """The number of rows after which the first rows come again; sums of whole numbers, the same on every machine."""
    columns = np.ascontiguousarray(picture[: LONGEST_PX + MATCH_PX, :: max(1, picture.shape[1] // MATCH_COLUMNS)])
    shifts = range(SHORTEST_PX, min(LONGEST_PX, len(picture) - MATCH_PX) + 1)
    return min(shifts, key=lambda shift: cv2.norm(columns[shift : shift + MATCH_PX], columns[:MATCH_PX], cv2.NORM_L1))
