"""What a replayed source lacked, in lines for the terminal: once it was judged, its verdicts tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.cameras.video import ENDS_EARLY, MISSING
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict

NAMED = 3
"""So many pictures that could not be judged are named, the others counted."""


def shortfalls(sources: dict[str, dict[str, Any]], verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Lines of words; `sources`: of each camera, what it said of itself when it was opened."""
    cameras = {name: _Camera() for name in sources}
    damaged, others = list[Verdict](), 0
    for verdict in verdicts:
        if verdict.seq is None or verdict.camera not in cameras:
            continue
        missing = cameras[verdict.camera].add(verdict)
        if verdict.reason is Reason.DAMAGED and not missing:
            others += len(damaged) == NAMED
            damaged += [verdict] if len(damaged) < NAMED else []
    for name, facts in sources.items():
        yield from cameras[name].told(name, facts)
    yield from (f"not inspected: {Path(verdict.origin).name}: {verdict.detail}" for verdict in damaged)
    if others:
        yield f"not inspected: {others} more that could not be read, verdicts.jsonl names them all"


class _Camera:
    """The frames of one source."""

    def __init__(self) -> None:
        self._held = self._placed = self._judged_nowhere = 0
        self._short = self._torn = False

    def add(self, verdict: Verdict) -> bool:
        """One more frame; whether it is one that the source has not."""
        missing = verdict.detail.startswith(MISSING)
        self._held += not missing
        if missing and verdict.detail.endswith(ENDS_EARLY):
            self._short = True
        elif missing:
            self._torn = True
        self._placed += verdict.start_mm is not None
        self._judged_nowhere += verdict.start_mm is None and verdict.result is not Result.NOT_INSPECTED
        return missing

    def told(self, name: str, facts: dict[str, Any]) -> Iterator[str]:
        """What it announced and had not, and what it had and cannot place."""
        if self._short or self._held > (facts.get("counted") or self._held):
            yield f"{facts['path']} announces {facts['frames']:,} frames, holds {self._held:,}"
        if self._torn:
            yield f"{facts['path']} has gaps: by their times, frames are missing between those that it holds"
        if self._judged_nowhere and self._placed:
            why = ": its recording was cut short" if facts.get("shortfall") else ""
            yield (
                f"camera {name}: of {self._judged_nowhere} judged frames nobody knows the place, "
                f"so that their cloth counts as not inspected{why}"
            )
