"""Whole frames against tiles: with an engine that looks at single cells both are the same."""

from __future__ import annotations

import numpy as np
import pytest

from glass_core.pictures.scoring import ScoreDefinition, score_image
from glass_core.pictures.tiling import Tiling
from tests.fakes import BrightnessEngine
from tools.studies.whole_frames import STRIDE_PX, score_whole


class Watched(BrightnessEngine):
    """Notes the shapes that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.definition = ScoreDefinition(tiling=Tiling(tile_px=96, overlap_px=32, border_px=16))
        self.backend = self.precision = self.device = ""
        self.shapes: list[tuple[int, ...]] = []

    def score(self, tiles: np.ndarray) -> np.ndarray:
        self.shapes.append(tiles.shape)
        return super().score(tiles)


@pytest.mark.parametrize("shape", [(256, 480), (100, 333)])
def test_a_whole_frame_has_the_cells_of_its_tiles(shape: tuple[int, int]) -> None:
    height, width = (side // 8 * 8 for side in shape)
    picture = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    engine = Watched()
    whole = score_whole(engine, picture)
    assert engine.shapes[0][0] == 1 and not any(side % STRIDE_PX for side in engine.shapes[0][1:])
    np.testing.assert_array_equal(whole, score_image(engine, engine.definition, picture)[0])
