"""Where the pictures of a recording were taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibration.model_card import Spot
from pipeline.cameras.recording import INDEX, RecordedFrame, Recording, picture_name


class Placing:
    """Tells the place of each picture of any recording, and of other pictures that it is not known."""

    def __init__(self) -> None:
        self._recorded: dict[Path, dict[str, RecordedFrame]] = {}
        self._scales: dict[Path, tuple[float, float] | None] = {}

    def __call__(self, picture: Path) -> Spot:
        """Its camera and its span of cloth. Raises InputError for a damaged recording."""
        folder = picture.parent
        if folder not in self._recorded:
            recording = Recording(folder.parent) if (folder.parent / INDEX).is_file() else None
            lines = recording.frames(folder.name) if recording else ()
            self._recorded[folder] = {picture_name(line.seq): line for line in lines}
            self._scales[folder] = _scale(recording.config(folder.name)) if recording and self._recorded[folder] else None
        line = self._recorded[folder].get(picture.name)
        if line is None:
            return Spot()
        start_mm, end_mm = sorted(line.span_mm) if line.span_mm else (None, None)
        return Spot(folder.name, start_mm, end_mm, self._scales[folder])


def _scale(config: dict[str, Any]) -> tuple[float, float] | None:
    """Across and along, of a camera as it was configured."""
    across, along = config.get("mm_per_px_x"), config.get("mm_per_px_y")
    return (float(across), float(along)) if isinstance(across, int | float) and isinstance(along, int | float) else None
