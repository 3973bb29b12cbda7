"""Finds the cloth that no record speaks of, between the places that the record does speak of (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from pipeline.cloth.coverage import Intervals

MEET_UM = 2
"""Spans that lie closer together meet: decision tells of no gap of a thousandth of a millimetre, and places are rounded."""


class Spoken:
    """The places of which each camera's verdicts speak, told in the order of their numbers.

    Decision tells of every millimetre between a camera's first and last place. So a gap between two of them is lost record.
    `looks_at_mm`: where the cameras look, as the line's cloth begins at 0.
    """

    def __init__(self, looks_at_mm: Mapping[str, float]) -> None:
        self._looks_at_mm = looks_at_mm
        self._places: dict[str, Intervals] = {}
        self._rolls: dict[str, tuple[list[float], list[str]]] = {}
        self._next = (0, 0)
        self._breaks = 0
        self._first_break: dict[str, int] = {}
        self._last_break: dict[str, int] = {}

    def count(self, generation: int, number: int) -> None:
        """The next verdict on record has these numbers."""
        self._breaks += (generation, number) not in (self._next, (self._next[0] + 1, 0))
        self._next = generation, number + 1

    def add(self, camera: str, start_mm: float, end_mm: float, roll_id: str) -> None:
        """That verdict speaks of this span."""
        start_mm, end_mm = sorted((start_mm, end_mm))
        self._places.setdefault(camera, Intervals()).add(_um(start_mm), _um(end_mm))
        self._first_break.setdefault(camera, self._breaks)
        self._last_break[camera] = self._breaks
        starts_mm, names = self._rolls.setdefault(camera, ([], []))
        if not names or names[-1] != roll_id:
            starts_mm.append(start_mm)
            names.append(roll_id)

    def holes(self, end_mm: Mapping[str, float]) -> Iterator[tuple[str, str, float, float]]:
        """Camera, roll, from mm, to mm of each gap; `end_mm`: how far cameras are known to have told.

        Numbers that lack before a camera's first place may be of its first cloth, and those that lack after its last of cloth
        that the others have told of.
        """
        ends_um = {camera: max(end for _, end in places) for camera, places in self._places.items() if places.length}
        come_um = max((end - self._looks_at_um(camera) for camera, end in ends_um.items()), default=0)
        for camera in {**ends_um, **end_mm}:
            places = self._places.get(camera, Intervals())
            bounds = [um for place in places for um in place]
            if camera in end_mm:
                bounds.append(_um(end_mm[camera]))
            if self._first_break.get(camera, 1):
                bounds.append(self._looks_at_um(camera))
            if self._last_break.get(camera, 0) < self._breaks:
                bounds.append(come_um + self._looks_at_um(camera))
            for a, b in places.gaps(min(bounds), max(bounds)):
                if b - a > MEET_UM:
                    yield camera, self._roll(camera, a / 1000), a / 1000, b / 1000

    def _looks_at_um(self, camera: str) -> int:
        return _um(self._looks_at_mm.get(camera, 0.0))

    def _roll(self, camera: str, place_mm: float) -> str:
        """What the verdicts said there."""
        starts_mm, names = self._rolls.get(camera, ([], [""]))
        return names[max(0, bisect_right(starts_mm, place_mm) - 1)]


def _um(mm: float) -> int:
    return round(mm * 1000)
