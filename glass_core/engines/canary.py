"""Tiles with known scores, scored again and again while an engine works: a broken one is found out and answers no more."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_TOLERANCE = 1e-5


class EngineFault(Exception):
    """The engine cannot be trusted any more; its process must end. The text is one line."""


@dataclass(frozen=True)
class Canary:
    """Different tiles (N, h, w[, 3]) and their cells (N, h/c, w/c), which come out again within the tolerance."""

    tiles: NDArray[np.uint8]
    cells: NDArray[np.float32]
    tolerance: float = MIN_TOLERANCE

    def check(self, number: int, cells: NDArray[np.float32]) -> None:
        """Raises EngineFault unless these (h/c, w/c) are the cells of the tile of that number."""
        wanted = self.cells[number]
        if cells.shape != wanted.shape or not np.isfinite(cells).all():
            raise EngineFault("a golden tile has no finite score")
        moved = float(np.abs(cells - wanted).max())
        if moved > self.tolerance:
            raise EngineFault(f"a golden tile's score moved by {moved:.2g}, {self.tolerance:.2g} is allowed")


def check_scores(tiles: NDArray[np.uint8], cells: NDArray[np.float32]) -> None:
    """Raises EngineFault for scores that no sound engine gives: not finite, or all one number for different pixels."""
    if not np.isfinite(cells).all():
        raise EngineFault("the engine gave a score that is not finite")
    if cells.size > 1 and cells.min() == cells.max() and tiles.min() != tiles.max():
        raise EngineFault(f"the engine gives {cells.flat[0]:.4g} for whatever it is shown")


def drawn_tiles(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Two different tiles of `shape` (h, w) or (h, w, 3) for a model that has no golden ones."""
    return np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
