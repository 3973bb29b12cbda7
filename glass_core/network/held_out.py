"""The good pictures that a training put aside."""

from pathlib import Path

from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from glass_core.pictures.split import SplitImage, file_sha256, own_split


def held_out(model: Path, also_selection: bool = False) -> tuple[SplitImage, ...]:
    """The pictures that training put aside for calibration, if asked those that chose the epoch as well.

    Raises InputError where they are not those of this model's training, or have changed since.
    """
    parts = own_split(model, read_info(model).split_digest)
    pictures = (*parts.calibration, *parts.selection) if also_selection else parts.calibration
    for image in pictures:
        if file_sha256(image.path) != image.sha256:
            raise InputError(f"a picture has changed since training, {image.path}, restore it or train again")
    return pictures
