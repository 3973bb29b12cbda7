"""What any recording tells of itself: its cameras and how each was configured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from glass_core.errors import InputError
from pipeline.messages.domains import NAME

SUFFIX = ".mcap"


def is_mcap(path: Path) -> bool:
    """Whether that is a file in MCAP, or a folder that holds some."""
    return any(path.glob(f"*{SUFFIX}")) if path.is_dir() else path.suffix == SUFFIX and path.is_file()


class Contents:
    """A recording at `path` with its cameras' facts by name; InputError, naming `index`, where they are none."""

    def __init__(self, path: Path, cameras: dict[str, dict[str, Any]], index: Path) -> None:
        self.path, self.cameras, self.index = path, cameras, index
        for name, facts in self.cameras.items():
            if not re.fullmatch(NAME, name):
                raise InputError(f"recording damaged: {name[:40]!r} is no camera's name, {index}, record again")
            if not isinstance(facts, dict):
                raise InputError(f"recording damaged: camera {name} is not described, {index}, record again")

    def camera(self, name: str | None) -> str:
        """The camera of that name, or the only one; InputError where that is not one."""
        if name in self.cameras:
            return name
        if name is None and len(self.cameras) == 1:
            return next(iter(self.cameras))
        wanted = f"no camera {name!r} in the recording" if name else "recording of several cameras, or none"
        raise InputError(f"{wanted}, {self.path}, set `camera` to one of {sorted(self.cameras)}")

    def config(self, camera: str) -> dict[str, Any]:
        """How a camera was configured when it was recorded; empty where that was not written down."""
        config = self.cameras[camera].get("config")
        return config if isinstance(config, dict) else {}
