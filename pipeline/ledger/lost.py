"""Finds the cloth that no record speaks of, between the places that the record does speak of (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict, Field

from pipeline.cloth.coverage import Intervals

MEET_UM = 2
"""Spans that lie closer together meet: decision tells of no gap of a thousandth of a millimetre, and places are rounded."""


class Missing(BaseModel):
    """How many records of each kind a run should hold and does not."""

    model_config = ConfigDict(frozen=True)

    records: dict[str, int] = Field(default_factory=dict)
    """By verdicts, rejects, states, actions, rolls, events; generations: of decision, from which there is no record at all."""
    in_verdicts_jsonl: int = 0
    """Of the verdicts those that still stand there."""

    def __str__(self) -> str:
        """A sentence for people; empty where nothing is missing."""
        if not self.records:
            return ""
        counts = ", ".join(f"{n:,} {kind}" for kind, n in self.records.items())
        still = f" {self.in_verdicts_jsonl:,} of the verdicts still stand in verdicts.jsonl." if self.in_verdicts_jsonl else ""
        return f"The record is not whole: it lacks {counts}.{still}"


class Spoken:
    """The places of which each camera's verdicts speak, in whatever order they are told.

    Decision tells of every millimetre between a camera's first and last place. So a gap between two of them is lost record.
    """

    def __init__(self) -> None:
        self._places: dict[str, Intervals] = {}
        self._rolls: dict[str, tuple[list[float], list[str]]] = {}

    def add(self, camera: str, start_mm: float, end_mm: float, roll_id: str) -> None:
        """A verdict speaks of this span."""
        start_mm, end_mm = sorted((start_mm, end_mm))
        self._places.setdefault(camera, Intervals()).add(_um(start_mm), _um(end_mm))
        starts_mm, names = self._rolls.setdefault(camera, ([], []))
        if not names or names[-1] != roll_id:
            starts_mm.append(start_mm)
            names.append(roll_id)

    def holes(self, from_mm: Mapping[str, float], to_mm: Mapping[str, float]) -> Iterator[tuple[str, str, float, float]]:
        """Camera, roll, from mm, to mm of each gap.

        A camera's cloth reaches from `from_mm` and to `to_mm`, where it is named there and its verdicts do not go as far.
        """
        for camera in {**self._places, **to_mm}:
            places = self._places.get(camera, Intervals())
            spans_um = [*places, *((_um(mm[camera]),) * 2 for mm in (from_mm, to_mm) if camera in mm)]
            for a, b in places.gaps(min(a for a, _ in spans_um), max(b for _, b in spans_um)):
                if b - a > MEET_UM:
                    yield camera, self._roll(camera, a / 1000), a / 1000, b / 1000

    def _roll(self, camera: str, place_mm: float) -> str:
        """What the verdicts said there."""
        starts_mm, names = self._rolls.get(camera, ([], [""]))
        return names[max(0, bisect_right(starts_mm, place_mm) - 1)]


def _um(mm: float) -> int:
    return round(mm * 1000)
