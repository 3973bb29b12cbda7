"""Where the rows of recorded pictures lie on the cloth, as the recording tells it (pure)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pipeline.messages.domains import MAX_SIDE_PX


@dataclass(frozen=True)
class _Told:
    row: int
    rows: int
    start_mm: float
    end_mm: float

    def mm(self, edge: int) -> float:
        """Of the edge so many rows after the first."""
        return self.start_mm + (self.end_mm - self.start_mm) * edge / self.rows


class RecordedPlaces:
    """Places of the last shots' rows, each shot's by itself: one need not begin where the one before it ended.

    Of shots before the newest it knows as many rows as the tallest slab has.
    """

    def __init__(self) -> None:
        self._told: deque[_Told] = deque()

    def __bool__(self) -> bool:
        """Whether any place was told."""
        return bool(self._told)

    def add(self, row: int, rows: int, span_mm: tuple[float, float]) -> None:
        """A shot of `rows` rows from `row` on begins and ends there."""
        if rows:
            self._told.append(_Told(row, rows, *span_mm))
        while self._told and self._told[0].row + self._told[0].rows <= row - MAX_SIDE_PX:
            self._told.popleft()

    def span_mm(self, row: int, rows: int) -> tuple[float | None, float | None]:
        """From where the first of these rows begins to where the last ends; None where it is of no such shot."""
        first, last = self._shot_of(row), self._shot_of(row + rows - 1)
        start_mm = None if first is None else first.mm(row - first.row)
        return start_mm, None if last is None else last.mm(row + rows - last.row)

    def _shot_of(self, row: int) -> _Told | None:
        return next((t for t in reversed(self._told) if t.row <= row < t.row + t.rows), None)
