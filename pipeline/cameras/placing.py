"""Where the pictures of a recording were taken."""

from __future__ import annotations

from pathlib import Path

from calibration.model_card import Spot
from pipeline.cameras.recording import INDEX, RecordedFrame, Recording, picture_name


class Placing:
    """Tells the place of each picture of any recording, and of other pictures that it is not known."""

    def __init__(self) -> None:
        self._recorded: dict[Path, dict[str, RecordedFrame]] = {}

    def __call__(self, picture: Path) -> Spot:
        """Its camera and its span of cloth. Raises InputError for a damaged recording."""
        folder = picture.parent
        if folder not in self._recorded:
            lines = Recording(folder.parent).frames(folder.name) if (folder.parent / INDEX).is_file() else ()
            self._recorded[folder] = {picture_name(line.seq): line for line in lines}
        line = self._recorded[folder].get(picture.name)
        if line is None:
            return Spot()
        return Spot(folder.name, *sorted(line.span_mm)) if line.span_mm else Spot(folder.name)
