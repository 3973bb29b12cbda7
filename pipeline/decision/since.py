"""What has its verdicts by now: as decision reported it last, and by what it has published since."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from pipeline.messages.stages import Decided, Mark
from pipeline.messages.verdicts import Verdict

MAX_SINCE = 4096
"""Verdicts kept; decision reports five times a second."""
MAX_STARTS = 64
"""Starts of cameras that are known to be earlier ones."""


class Given(NamedTuple):
    """One verdict: on a frame, or on so many that were lost before one of that start."""

    generation: int
    number: int
    camera: str
    boot_id: str
    seq: int | None
    lost: int


class Since:
    """Keeps a Decided up to date between decision's reports: a kill must neither lose nor double what came after the last.

    Reports and verdicts come on two ways, in any order; a verdict's number says whether a report knew of it.
    """

    def __init__(self, before: Decided) -> None:
        self._report = before
        self._of = 0, 0
        """Generation of that report, and number of the first verdict after it."""
        self._given: deque[Given] = deque(maxlen=MAX_SINCE)
        self._starts: deque[tuple[str, str]] = deque(maxlen=MAX_STARTS)

    def report(self, generation: int, decided: Decided) -> None:
        """Decision's newest word."""
        self._report, self._of = decided, (generation, decided.verdicts)
        self._given = deque((g for g in self._given if g[:2] >= self._of), MAX_SINCE)
        for camera, mark in decided.cameras.items():
            if (camera, mark.boot_id) not in self._starts:
                self._starts.append((camera, mark.boot_id))

    def hear(self, verdict: Verdict) -> None:
        """One that was published; those on cloth of which no start told are nothing to it."""
        given = Given(verdict.generation, verdict.number, verdict.camera, verdict.boot_id, verdict.seq, verdict.lost)
        if given.boot_id and given[:2] >= self._of:
            self._given.append(given)

    @property
    def decided(self) -> Decided:
        """What has its verdicts."""
        cameras, starts = dict(self._report.cameras), {*self._starts}
        for given in sorted(self._given, key=lambda g: g[:2]):
            mark = cameras.get(given.camera, Mark())
            start = given.camera, given.boot_id
            if given.boot_id != mark.boot_id and start not in starts:
                starts.add(start)
                mark = mark.model_copy(update={"boot_id": given.boot_id, "next_seq": 0})
            cameras[given.camera] = _further(mark, given)
        return self._report.model_copy(update={"cameras": cameras})


def _further(mark: Mark, given: Given) -> Mark:
    """The mark with one verdict more."""
    if given.seq is None:
        return mark.model_copy(update={"undecided": mark.undecided - given.lost})
    further = given.seq + 1 - mark.next_seq if given.boot_id == mark.boot_id else 0
    if further <= 0:  # one that waited
        return mark.model_copy(update={"undecided": mark.undecided - 1})
    return mark.model_copy(update={"next_seq": given.seq + 1, "undecided": mark.undecided + further - 1})
