"""What a score is, and the scores of one picture: the same for calibration, evaluation and the line."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from glass_core.pictures.tiling import Tiling

_BATCH_TILES = 16


class ScoreDefinition(BaseModel):
    """Everything besides the engine that decides a picture's score; a threshold holds for one definition only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: Literal["cell_max"] = "cell_max"  # the highest raw cell, before any smoothing, as the official code has it
    tiling: Tiling = Tiling()
    inspect_x_px: tuple[int, int] | None = None


class Scorer(Protocol):
    """The part of an engine that scoring needs."""

    def score(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw cell scores (B, h/c, w/c) of tiles (B, h, w) or (B, h, w, 3)."""
        ...


def score_image(
    engine: Scorer, definition: ScoreDefinition, image: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The raw cell map (rows, cols) of a picture (H, W) or (H, W, 3), and the maximum of each lane (lanes,).

    Raises InputError when the inspected range does not fit the picture.
    """
    height, width = image.shape[:2]
    layout = definition.tiling.layout(height, width, definition.inspect_x_px)
    tiles = layout.cut(image)  # (T, tile, tile[, 3])
    batches = (tiles[start : start + _BATCH_TILES] for start in range(0, len(tiles), _BATCH_TILES))
    score_map = layout.stitch(np.concatenate([engine.score(batch) for batch in batches]))  # (rows, cols)
    return score_map, layout.lane_scores(score_map)
