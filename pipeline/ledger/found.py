"""Fills gaps in a ledger's cloth with what the lines of verdicts.jsonl tell of it (pure)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from pipeline.cloth.coverage import Intervals
from pipeline.ledger.spoken import MEET_UM
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result

Part = tuple[str, float, float, str, str | None]
"""Roll, from mm, to mm, result, reason."""


class Found:
    """Spans that the ledger lacks and the lines have, by camera: as many as there are gaps for."""

    def __init__(self) -> None:
        self._spans: dict[str, list[tuple[float, float, str, str, str | None]]] = {}
        self._longest_um: dict[str, int] = {}

    def add(self, camera: str, start_mm: float, end_mm: float, roll_id: str, result: str, reason: str | None) -> None:
        """One more."""
        span = min(start_mm, end_mm), max(start_mm, end_mm), roll_id, result, reason
        self._spans.setdefault(camera, []).append(span)

    def compare(self, camera: str, start_mm: float, end_mm: float) -> None:
        """A frame on record: no lost one of that camera that overlaps its neighbours is longer than the longest of these."""
        self._longest_um[camera] = max(self._longest_um.get(camera, 0), abs(_um(end_mm) - _um(start_mm)))

    def fill(self, camera: str, roll_id: str, start_mm: float, end_mm: float) -> Iterator[Part]:
        """The parts of a gap as they were told, the rest as RECORD_LOST on `roll_id`.

        Overlapping frames reach over the gap's edges and are cut there. A span that does so and is longer than any frame on
        record is damaged, and says nothing.
        """
        told, spans = Intervals(), self._spans.get(camera, [])
        spans.sort(key=lambda span: span[:2])  # it stays so: at once from the second time on
        least_um, most_um = _um(start_mm) - MEET_UM, _um(end_mm) + MEET_UM
        longest_um = self._longest_um.get(camera, 0)
        first = bisect_left(spans, least_um - longest_um, key=lambda span: _um(span[0]))
        for from_mm, to_mm, roll, result, reason in spans[first:]:
            if _um(from_mm) > most_um:
                break
            if _um(from_mm) < least_um or _um(to_mm) > most_um:
                if _um(to_mm) - _um(from_mm) > longest_um:
                    continue
                from_mm, to_mm = max(from_mm, start_mm), min(to_mm, end_mm)
            if from_mm < to_mm:
                told.add(_um(from_mm), _um(to_mm))
                yield roll, from_mm, to_mm, result, reason
        for a, b in told.gaps(_um(start_mm), _um(end_mm)):
            if b - a > MEET_UM or not told.length:
                yield roll_id, a / 1000, b / 1000, Result.NOT_INSPECTED, Reason.RECORD_LOST


def _um(mm: float) -> int:
    return round(mm * 1000)
