"""Now and then a small picture of a scored frame with its scores, for people who watch: each camera in its turn."""

from __future__ import annotations

from functools import reduce

import numpy as np

from glass_core.pictures.tiling import Layout
from pipeline.messages.frames import MAX_SHRUNK_BYTES, ScoreMap, shrunk
from pipeline.worker.job import Job

Glimpse = tuple[ScoreMap, bytes, bytes]
"""A map whose cells are shares of their lane's threshold, or plain scores without a card; the cells; the inspected pixels."""


class Glimpses:
    """Keeps one frame at most until it is taken, of the camera that was not taken for longest."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        """When each camera was taken last, counted in takes."""
        self._kept: tuple[Job, ScoreMap, np.ndarray] | None = None

    def offer(self, job: Job, result: ScoreMap, cells: np.ndarray) -> None:
        """A frame that was scored, with its cells (rows, cols)."""
        if self._kept is None or self._last(result.camera) <= self._last(self._kept[1].camera):
            job.tiles = None  # they are larger than all else of it
            self._kept = job, result, cells

    def take(self) -> Glimpse | None:
        """The one that is kept, made small: the highest score of several cells, one pixel of several."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        job, result, cells = kept
        self._taken[result.camera] = max(self._taken.values(), default=0) + 1
        pixels = shrunk(job.pixels[:, job.layout.x0_px : job.layout.x1_px])
        shares = _highest(cells / _limits(job.layout, job.model.thresholds)).astype("<f4")
        small = result.model_copy(update={"frame_shape": pixels.shape, "cells_shape": shares.shape, "inspect_x_px": None})
        return small, shares.tobytes(), pixels.tobytes()

    def _last(self, camera: str) -> int:
        return self._taken.get(camera, 0)


def _limits(layout: Layout, thresholds: tuple[float, ...]) -> np.ndarray:
    """What each map column is held to, (cols,); a lane that the card does not know is held to the strictest, as in decision."""
    if not thresholds:
        return np.ones(layout.cols, np.float32)
    known = thresholds + (min(thresholds),) * (layout.lanes - len(thresholds))
    return np.asarray(known, np.float32)[layout.lane_of_column]


def _highest(cells: np.ndarray) -> np.ndarray:
    """The cells (rows, cols), or the highest of each square of them, so that they take MAX_SHRUNK_BYTES at most."""
    side = 1
    while 4 * -(-cells.shape[0] // side) * -(-cells.shape[1] // side) > MAX_SHRUNK_BYTES:
        side += 1
    whole = np.pad(cells, [(0, -length % side) for length in cells.shape], mode="edge")
    rows = reduce(np.maximum, (whole[n::side] for n in range(side)))  # ten times as fast as `reduceat`
    return reduce(np.maximum, (rows[:, n::side] for n in range(side)))
