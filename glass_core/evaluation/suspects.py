"""Scores good pictures, and shows the tiles among them that look least like the rest."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.engines import Engine
from glass_core.evaluation.contact_sheet import Suspects, write_contact_sheet
from glass_core.events import Pass, passing
from glass_core.network.checkpoint import read_info
from glass_core.pictures.exclusions import KEY_DIGITS, write_exclusions
from glass_core.pictures.preprocess import resized_crop
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import score_image
from glass_core.pictures.split import SplitImage


@dataclass(frozen=True)
class GoodPicture:
    """A good picture (H, W[, 3]) as its model saw it, its cells (rows, cols), and the highest of each lane (lanes,)."""

    image: SplitImage
    pixels: NDArray[np.uint8]
    cells: NDArray[np.float32]
    lanes: NDArray[np.float32]


def score_good(
    model: Path, engine: Engine, images: Sequence[SplitImage], title: str, report: Callable[[Pass], None]
) -> Iterator[GoodPicture]:
    """Scores each good picture; a model of crops scores the crops. Raises InputError for one that cannot be used."""
    config = read_info(model).config
    crop = config if config is not None and config.input == "crop" else None
    for image in passing(images, title, report):
        pixels = read_image(image.path)
        if crop is not None:
            pixels = resized_crop(pixels, crop.resize_px, crop.tile_px)
        yield GoodPicture(image, pixels, *score_image(engine, engine.definition, pixels))


class SuspectList:
    """The highest-scoring tiles of good pictures, for a person to look at and to mark."""

    def __init__(self, engine: Engine) -> None:
        self._found = Suspects(engine.definition)

    def add(self, good: GoodPicture) -> None:
        """Takes in a scored picture."""
        self._found.add(good.image.sha256[:KEY_DIGITS], good.image.path, good.pixels, good.cells)

    def write(self, model: Path, section: str) -> None:
        """Leaves a contact sheet in the model's folder, and the section of its exclude.txt."""
        shown = self._found.highest
        write_contact_sheet(sheet_of(model, section), shown)
        found = [
            (each.key, f"{rank}. score {each.score:.4f} at x {each.x_px} y {each.y_px} of {each.path}")
            for rank, each in enumerate(shown, 1)
        ]
        write_exclusions(model, section, found)


def sheet_of(model: Path, section: str) -> Path:
    """Where the contact sheet of a section lies."""
    return model / f"contact_sheet_{section}.png"
