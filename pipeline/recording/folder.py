"""The folder of a line's recordings: named by time, the oldest make room, and the disk is never filled to the brim."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from glass_core.files.whole_file import nearest_folder
from pipeline.config.recording import RecordingConfig
from pipeline.recording.contents import SUFFIX

FORM = "%Y%m%dT%H%M%S.%fZ"
NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
LOOK_NS = 1_000_000_000
TIDY_NS = 60_000_000_000
AGAIN = 1.1
"""So many times what must be left has to be free before recording goes on: else it would begin and end every second."""


class RecordingFolder:
    """Where the files lie. Nothing here raises but `new_path`, OSError where the folder cannot be made."""

    def __init__(self, config: RecordingConfig, utc_ns: Callable[[], int]) -> None:
        self._config, self._utc_ns = config, utc_ns
        self._look_ns = self._tidy_ns = 0
        self.shortage = ""
        """Why nothing may be written now; empty while there is room."""

    def new_path(self) -> Path:
        """Of a file that begins now."""
        self._config.folder.mkdir(parents=True, exist_ok=True)
        return self._config.folder / f"{datetime.fromtimestamp(self._utc_ns() / 1e9, UTC):{FORM}}{SUFFIX}"

    def step(self, now_ns: int, writing: Path | None) -> None:
        """Look each second whether there is room, and each minute which files must go; not the one that is written."""
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_NS
            self._measure()
        if now_ns >= self._tidy_ns:
            self._tidy_ns = now_ns + TIDY_NS
            self.tidy(writing)

    def tidy(self, writing: Path | None) -> None:
        """Remove what is too old, and the oldest while all together are too much."""
        config, now_ns = self._config, self._utc_ns()
        try:
            files = sorted(p for p in config.folder.glob(f"*{SUFFIX}") if NAME.fullmatch(p.stem))
        except OSError:
            return  # the next write will say what is wrong
        sizes = {file: _size(file) for file in files}
        total = sum(sizes.values())
        for file in files:
            too_old = config.keep_days is not None and now_ns - _began_ns(file) > config.keep_days * 86_400e9
            if file == writing or not (too_old or total > config.keep_gb * 1e9):
                continue
            with suppress(OSError):  # somebody forbids it, or was faster
                file.unlink()
                total -= sizes[file]

    def _measure(self) -> None:
        try:
            free = shutil.disk_usage(nearest_folder(self._config.folder)).free
        except OSError:
            return  # the next write will say what is wrong
        least = self._config.leave_gb * 1e9
        if free < least * (AGAIN if self.shortage else 1):
            self.shortage = f"{free / 1e9:.2g} GB free, {self._config.leave_gb:g} must be left"
        else:
            self.shortage = ""


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _began_ns(file: Path) -> int:
    with suppress(ValueError):  # no such day
        return int(datetime.strptime(file.stem, FORM).replace(tzinfo=UTC).timestamp() * 1e9)
    return 1 << 62
