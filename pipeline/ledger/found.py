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

    def add(self, camera: str, start_mm: float, end_mm: float, roll_id: str, result: str, reason: str | None) -> None:
        """One more."""
        span = min(start_mm, end_mm), max(start_mm, end_mm), roll_id, result, reason
        self._spans.setdefault(camera, []).append(span)

    def fill(self, camera: str, roll_id: str, start_mm: float, end_mm: float) -> Iterator[Part]:
        """The parts of a gap: those that lie in it whole as they were told, the rest as RECORD_LOST on `roll_id`."""
        told, spans = Intervals(), self._spans.get(camera, [])
        spans.sort(key=lambda span: span[:2])  # it stays so: at once from the second time on
        least_um, most_um = _um(start_mm) - MEET_UM, _um(end_mm) + MEET_UM
        for span in spans[bisect_left(spans, least_um, key=lambda span: _um(span[0])) :]:
            from_um, to_um = _um(span[0]), _um(span[1])
            if from_um > most_um:
                break
            if to_um <= most_um:
                told.add(from_um, to_um)
                yield span[2], span[0], span[1], span[3], span[4]
        for a, b in told.gaps(_um(start_mm), _um(end_mm)):
            if b - a > MEET_UM or not told.length:
                yield roll_id, a / 1000, b / 1000, Result.NOT_INSPECTED, Reason.RECORD_LOST


def _um(mm: float) -> int:
    return round(mm * 1000)
