"""A trained model that scores pictures, one at a time."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glass_core.engines import BackendChoice, Engine, PrecisionChoice, load_engine
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from glass_core.pictures.anomaly_map import smooth_odds
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import ScoreDefinition, Scorer, score_image

MEDIAN_SHARE = 0.5
"""A map shows what stands out: halfway between what a cell is and what it is beside the picture's other cells."""


class Scores(NamedTuple):
    """Of one picture: its score, the maximum of each lane (none where lanes are not known), and its map (H, W) float32.

    The map is that of the picture, or in the official protocol of its crop; NaN where the picture is not inspected.
    """

    score: float
    lanes: tuple[float, ...]
    map: NDArray[np.float32]


class Model:
    """A trained model on this machine's engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def score(self, picture: Path | NDArray[np.uint8]) -> Scores:
        """Scores of a picture, given as a file or as (H, W) grey or (H, W, 3) RGB uint8; see score_picture.

        Raises InputError for a file that cannot be read, or a picture that the inspected range does not fit.
        """
        pixels = read_image(picture) if isinstance(picture, Path) else picture
        return score_picture(self.engine, self.engine.definition, pixels)


def load(folder: Path, backend: BackendChoice = "auto", precision: PrecisionChoice = "auto") -> Model:
    """The model of a RUN or BUNDLE, ready to score pictures; "auto" takes what is fastest here (engines.load_engine).

    Raises InputError for a folder without a sound model or one of resized crops, MissingError without the backend.

    >>> model = load(folder / "run")
    >>> scores = model.score(np.full((80, 120), 90, np.uint8))
    >>> scores.map.shape, scores.score == max(scores.lanes)
    ((80, 120), True)
    """
    config = read_info(folder).config
    if config is not None and config.input == "crop":
        raise InputError(f"a model of resized crops, {folder}, evaluate it by protocol official")
    return Model(load_engine(folder, backend, precision))


def score_picture(engine: Scorer, definition: ScoreDefinition, picture: NDArray[np.uint8]) -> Scores:
    """Scores of a picture and its lanes are the line's: tiles of the inspected range, nothing resized.

    The map is for pixel figures and pictures alone and not to be held against a threshold: it is smoothed in log odds, and
    shifted by MEDIAN_SHARE of their median in this picture, up or down.
    """
    height, width = picture.shape[:2]
    layout = definition.tiling.layout(height, width, definition.inspect_x_px)
    cells, lanes = score_image(engine, definition, picture)
    pixels = np.full((height, width), np.nan, dtype=np.float32)
    smoothed = smooth_odds(cells, definition.tiling.cell_px, MEDIAN_SHARE)
    pixels[:, layout.x0_px : layout.x1_px] = smoothed[:height, : layout.x1_px - layout.x0_px]
    return Scores(float(cells.max()), tuple(float(lane) for lane in lanes), pixels)
