"""Plays schedules, each in a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.nemesis.checker import Violation, check
from tests.nemesis.history import History
from tests.nemesis.line import Line, make_card
from tests.nemesis.schedule import Schedule

MEMORY = Path("/dev/shm")
"""Where there is such a disk, a commit waits for none."""


class Stage:
    """A place for many schedules, with one model."""

    def __enter__(self) -> Stage:
        self._held = tempfile.TemporaryDirectory(prefix="nemesis-", dir=MEMORY if MEMORY.is_dir() else None)
        self._folder = Path(self._held.name)
        self._card = make_card(self._folder / "model")
        return self

    def __exit__(self, *failure: object) -> None:
        self._held.cleanup()

    def play(self, schedule: Schedule, say: Callable[[str], object] | None = None) -> History:
        """What came of it."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            line = Line(schedule, Path(folder), self._folder / "model", self._card.sha, say or (lambda words: None))
            return line.run()


def violations(history: History) -> list[Violation]:
    """The first breach of each kind for each camera."""
    first: dict[tuple[str, str, str], Violation] = {}
    for found in check(history):
        first.setdefault((found.invariant, found.camera, found.kind), found)
    return list(first.values())
