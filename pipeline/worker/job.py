"""A frame under way, and the model that scores it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from glass_core.engines import Engine
from glass_core.pictures.tiling import Layout
from pipeline.messages.frames import Frame


@dataclass(frozen=True)
class Model:
    """What scores the frames of a style; a frame whose score is above `floor` takes its cells and pixels along to decision."""

    engine: Engine
    floor: float
    thresholds: tuple[float, ...] = ()
    """Of the card in force: one for each lane, or a single one for all; empty without a card."""


@dataclass
class Job:
    """A frame under way; its tiles (T, h, w[, 3]) are cut when the first of them are taken."""

    frame: Frame
    model: Model
    pixels: np.ndarray
    layout: Layout
    arrived_ns: int
    tiles: np.ndarray | None = None
    taken: int = 0
    cells: list[np.ndarray] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Tiles still to be taken."""
        return len(self.layout.tiles) - self.taken

    @property
    def deadline_ns(self) -> float:
        """When a score is of no use any more; it counts from when the frame was taken."""
        return math.inf if self.frame.budget_ms is None else self.frame.t_mono_ns + self.frame.budget_ms * 1e6

    def cut(self) -> None:
        """Make its tiles, once."""
        if self.tiles is None:
            self.tiles = self.layout.cut(self.pixels)

    def take(self, n: int) -> np.ndarray:
        """Its next `n` tiles."""
        assert self.tiles is not None
        self.taken += n
        return self.tiles[self.taken - n : self.taken]
