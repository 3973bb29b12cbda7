"""Cuts a picture into overlapping tiles, and puts the cells scored by the model back into one map of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from glass_core.errors import InputError
from glass_core.pictures.continuation import continued
from glass_core.pictures.extent import Extent, extents

MAX_TILE_PX = 1 << 14
PATCH_PX = 64
"""Cells much nearer to each other see the same yarns."""


def stride_px(levels: tuple[int, ...]) -> int:
    """A cell's side in px as the trunk sees them: the stride of its finest level."""
    return 2 << levels[0]


class Tiling(BaseModel):
    """How pictures are cut; part of the score definition, so another tiling asks for another threshold card.

    A tile is `tile_px` square; its outermost `border_px` are context, seen and not scored. Tiles overlap by `overlap_px`,
    so that the parts which are scored leave no gap.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tile_px: int = Field(default=256, ge=32, le=MAX_TILE_PX, multiple_of=32)
    overlap_px: int = Field(default=32, ge=0, multiple_of=8)
    border_px: int = Field(default=0, ge=0, multiple_of=8)
    cell_px: int = Field(default=8, ge=4, le=64, multiple_of=4)  # the model's stride, by as much as it shrinks pictures

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        sizes = {"tile_px": self.tile_px, "overlap_px": self.overlap_px, "border_px": self.border_px}
        for name, px in sizes.items():
            if px % self.cell_px:
                raise ValueError(f"{name} ({px}) must be a multiple of {self.cell_px}, the side of a cell")
        if self.overlap_px > self.tile_px // 2:
            raise ValueError(f"overlap_px ({self.overlap_px}) must be at most half of tile_px ({self.tile_px})")
        if self.overlap_px < 2 * self.border_px:  # else cloth between tiles is not scored
            raise ValueError(f"overlap_px ({self.overlap_px}) must be at least twice border_px ({self.border_px})")
        return self

    @property
    def scored_px(self) -> int:
        """Side of the part of a tile that is scored."""
        return self.tile_px - 2 * self.border_px

    def scored(self, cells: NDArray[Any]) -> NDArray[Any]:
        """The cells (..., s, s) that are scored, of a tile's (..., t, t)."""
        border = self.border_px // self.cell_px
        return cells[..., border : cells.shape[-2] - border, border : cells.shape[-1] - border]

    def layout(self, height: int, width: int, inspect_x_px: tuple[int, int] | None = None) -> Layout:
        """The tiles of a picture of height x width px, of which the columns [x0, x1) are inspected (None: all).

        Raises InputError when the picture is empty or the range is not inside it.
        """
        return _layout(self, int(height), int(width), None if inspect_x_px is None else tuple(inspect_x_px))


@dataclass(frozen=True)
class Region:
    """Connected cells above threshold: their box in picture px (x1, y1 exclusive), peak score, peak's lane, how many.

    `extent_px` (x0, y0, x1, y1) is how far the defect reaches, measured finer than cells (`glass_core.pictures.extent`).
    """

    x0_px: int
    y0_px: int
    x1_px: int
    y1_px: int
    score: float
    lane: int
    cells: int
    extent_px: Extent


@dataclass(frozen=True)
class Found:
    """What of a score map is above threshold: its strongest regions, how many there are, and the rows of all, [from, to)."""

    strongest: tuple[Region, ...]
    total: int
    rows_px: tuple[int, int] | None


@dataclass(frozen=True)
class Layout:
    """The tiles of one picture size.

    `tiles` are (y, x) px origins in the `extended` picture: the inspected range with the border's width of cloth added
    all round, and more at the right and bottom where it is smaller than a tile or no multiple of a cell. Cell (r, c) of a
    map covers the picture's px [x0_px + pc, x0_px + pc + p) x [pr, pr + p), with p = cell_px; cells wholly in the extension
    are not in it.

    A lane is a fixed strip across the cloth, one for each tile column; strips meet in the middle of the tiles' overlap.
    """

    tiling: Tiling
    height: int
    width: int
    x0_px: int
    x1_px: int
    tile_rows_px: tuple[int, ...]
    tile_cols_px: tuple[int, ...]

    @cached_property
    def tiles(self) -> list[tuple[int, int]]:
        return [(y, x) for y in self.tile_rows_px for x in self.tile_cols_px]

    @property
    def rows(self) -> int:
        return _ceil_div(self.height, self.tiling.cell_px)

    @property
    def cols(self) -> int:
        return _ceil_div(self.x1_px - self.x0_px, self.tiling.cell_px)

    @property
    def lanes(self) -> int:
        return len(self.tile_cols_px)

    @cached_property
    def _lane_starts(self) -> NDArray[np.intp]:
        """The first map column of each lane."""
        middles_px = [(left + self.tiling.scored_px + right) // 2 for left, right in pairwise(self.tile_cols_px)]
        return np.array([0] + [middle // self.tiling.cell_px for middle in middles_px], dtype=np.intp)  # (lanes,)

    @cached_property
    def lane_of_column(self) -> NDArray[np.intp]:
        """The lane of each map column, (cols,)."""
        return np.searchsorted(self._lane_starts, np.arange(self.cols), side="right") - 1

    @cached_property
    def lane_edges_px(self) -> tuple[int, ...]:
        """The lanes' edges in picture px, lanes + 1 of them from x0_px to x1_px."""
        inner = (self.x0_px + int(start) * self.tiling.cell_px for start in self._lane_starts)
        return (*inner, self.x1_px)

    def extended(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The inspected range of an image (height, width[, 3]), with the weave continued beyond it as far as tiles reach."""
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(f"image is {image.shape[:2]}, the layout is for {(self.height, self.width)}")
        border, size = self.tiling.border_px, self.tiling.tile_px
        bottom = self.tile_rows_px[-1] + size - border - self.height
        right = self.tile_cols_px[-1] + size - border - (self.x1_px - self.x0_px)
        return continued(image[:, self.x0_px : self.x1_px], border, bottom, border, right)

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The tiles of an image (height, width) or (height, width, 3): contiguous (T, tile, tile[, 3])."""
        size = self.tiling.tile_px
        picture = self.extended(image)
        tiles = np.empty((len(self.tiles), size, size, *image.shape[2:]), dtype=np.uint8)
        for tile, (y, x) in zip(tiles, self.tiles, strict=True):
            tile[...] = picture[y : y + size, x : x + size]
        return tiles  # (T, tile, tile[, 3])

    def stitch(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        """One map (rows, cols) of the tiles' cells (T, t, t); overlaps merge by maximum, NaN stays NaN."""
        cell_px, side = self.tiling.cell_px, self.tiling.tile_px // self.tiling.cell_px
        if cells.shape != (len(self.tiles), side, side):
            raise ValueError(f"cells are {cells.shape}, the layout asks for {(len(self.tiles), side, side)}")
        scored = self.tiling.scored(cells)  # (T, s, s)
        side = scored.shape[-1]
        rows, cols = self.tile_rows_px[-1] // cell_px + side, self.tile_cols_px[-1] // cell_px + side
        score_map = np.full((rows, cols), -np.inf, dtype=np.float32)
        for tile, (y_px, x_px) in zip(scored, self.tiles, strict=True):
            y, x = y_px // cell_px, x_px // cell_px
            window = score_map[y : y + side, x : x + side]
            np.maximum(window, tile, out=window)
        return np.ascontiguousarray(score_map[: self.rows, : self.cols])  # (rows, cols)

    def lane_scores(self, score_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """The maximum of each lane, (lanes,); a NaN anywhere in a lane gives NaN, so it is never hidden."""
        return np.maximum.reduceat(score_map.max(axis=0), self._lane_starts)  # (lanes,)

    def patch_scores(self, score_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """The maximum of each patch of whole cells up to PATCH_PX wide and high, (patches,); a patch is in one lane."""
        side = max(1, PATCH_PX // self.tiling.cell_px)
        columns = [np.arange(first, end, side) for first, end in pairwise([*self._lane_starts, self.cols])]
        of_columns = np.maximum.reduceat(score_map, np.concatenate(columns), axis=1)  # (rows, columns of patches)
        return np.maximum.reduceat(of_columns, np.arange(0, self.rows, side), axis=0).ravel()  # (patches,)

    def regions(self, score_map: NDArray[np.float32], thresholds: NDArray[np.float64], most: int) -> Found:
        """The 8-connected groups of cells above their lane's threshold (lanes,): the strongest `most`, highest score first."""
        limits = np.asarray(thresholds, dtype=np.float64)[self.lane_of_column]  # (cols,)
        above = score_map > limits
        if not above.any():
            return Found((), 0, None)
        count, numbered, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), connectivity=8)
        labels = np.asarray(numbered, dtype=np.int32)
        peaks = np.zeros(count, dtype=np.float32)
        np.maximum.at(peaks, labels[above], score_map[above])
        strongest = [int(n) for n in 1 + np.argsort(-peaks[1:], kind="stable")[:most]]
        boxes = [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in stats[strongest]]
        reached = extents(score_map, labels, list(zip(strongest, boxes, strict=True)))
        told = (
            self._region(np.where(labels == n, score_map, -np.inf), box, extent, int(stats[n][4]))
            for n, box, extent in zip(strongest, boxes, reached, strict=True)
        )
        rows, cell_px = np.flatnonzero(above.any(axis=1)), self.tiling.cell_px
        return Found(tuple(told), count - 1, (int(rows[0]) * cell_px, min(int(rows[-1] + 1) * cell_px, self.height)))

    def _region(self, scores: NDArray[np.float32], box: tuple[int, int, int, int], extent: Extent, cells: int) -> Region:
        """Of its own scores (rows, cols), -inf elsewhere."""
        (left, top, right, bottom), cell_px = box, self.tiling.cell_px
        peak = np.unravel_index(scores.argmax(), scores.shape)
        x0, y0, x1, y1 = (cell_px * v for v in extent)
        return Region(
            x0_px=self.x0_px + left * cell_px,
            y0_px=top * cell_px,
            x1_px=min(self.x0_px + right * cell_px, self.x1_px),
            y1_px=min(bottom * cell_px, self.height),
            score=float(scores[peak]),
            lane=int(self.lane_of_column[peak[1]]),
            cells=cells,
            extent_px=(self.x0_px + x0, y0, min(self.x0_px + x1, float(self.x1_px)), min(y1, float(self.height))),
        )


@lru_cache(maxsize=64)
def _layout(tiling: Tiling, height: int, width: int, inspect_x_px: tuple[int, int] | None) -> Layout:
    x0, x1 = inspect_x_px or (0, width)
    if height < 1 or width < 1:
        raise InputError(f"an empty picture, {width} x {height} px, check the camera or the file")
    if not 0 <= x0 < x1 <= width:
        raise InputError(f"inspect_x_px [{x0}, {x1}] does not fit, a picture {width} px wide, correct the range")
    return Layout(tiling, height, width, x0, x1, _starts(tiling, height), _starts(tiling, x1 - x0))


def _starts(tiling: Tiling, length_px: int) -> tuple[int, ...]:
    """Tile origins along one axis; the last tile is shifted inside, on the cell grid."""
    padded = max(tiling.tile_px, _ceil_div(length_px, tiling.cell_px) * tiling.cell_px + 2 * tiling.border_px)
    last = padded - tiling.tile_px
    return (*range(0, last, tiling.tile_px - tiling.overlap_px), last)


def _ceil_div(value: int, divisor: int) -> int:
    return -(-value // divisor)
