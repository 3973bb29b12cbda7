"""Cuts the endless picture of a line-scan camera into slabs: N new rows, with rows of the slab before carried over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Slab:
    """A picture to judge; `row` counts the rows of cloth from the camera's start to the slab's first."""

    row: int
    pixels: np.ndarray


class SlabBuilder:
    """Rows in, slabs out; the size of the camera's buffers does not matter.

    rows null: every picture is a slab by itself (area camera).
    """

    def __init__(self, rows: int | None, overlap_rows: int) -> None:
        self._rows = rows
        self._overlap_rows = overlap_rows
        self._held: np.ndarray | None = None
        self._carried_rows = 0  # at the top of _held: already in the slab before
        self.row = 0
        """Rows of cloth seen, lost ones included: the row after the last."""

    def add(self, pixels: np.ndarray) -> list[Slab]:
        """The slabs that these rows complete."""
        first_row = self.row
        self.row += pixels.shape[0]
        if self._rows is None:
            return [Slab(first_row, pixels)]
        slabs = []
        if self._held is not None and self._held.shape[1:] != pixels.shape[1:]:
            slabs += self.flush()
        self._held = pixels if self._held is None else np.concatenate([self._held, pixels])
        while self._held.shape[0] - self._carried_rows >= self._rows:
            end = self._carried_rows + self._rows
            slabs.append(Slab(self.row - self._held.shape[0], np.ascontiguousarray(self._held[:end])))
            keep = max(0, end - self._overlap_rows)
            self._held = self._held[keep:]
            self._carried_rows = end - keep
        return slabs

    def flush(self) -> list[Slab]:
        """The rest as a short slab, and nothing is carried over any more: the end, or rows are missing."""
        held, carried_rows = self._held, self._carried_rows
        self._held, self._carried_rows = None, 0
        if held is None or held.shape[0] == carried_rows:
            return []
        return [Slab(self.row - held.shape[0], np.ascontiguousarray(held))]

    def skip(self, rows: int) -> list[Slab]:
        """Rows of cloth went by without a picture: what was held comes first."""
        slabs = self.flush()
        self.row += rows
        return slabs
