"""Where the rolls of a run begin, as its record tells: the one answer to which roll a place is on (pure)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise

from pipeline.messages.cloth import Roll


class Borders:
    """Cloth belongs to the roll that began last before it; one that is begun further back takes the later ones' place.

    A roll may be told when frames of it are decided already. So a verdict's own roll is what was known then, and counts only
    where it has no place, or none of the rolls has one at or before it.
    """

    def __init__(self, told: Iterable[Roll]) -> None:
        self._starts_mm: list[float] = []
        self._names: list[str] = []
        for roll in told:
            if roll.start_mm is None:
                continue
            first = bisect_left(self._starts_mm, roll.start_mm)
            self._starts_mm[first:], self._names[first:] = [roll.start_mm], [roll.roll_id]

    def at(self, place_mm: float, known: str) -> str:
        """The roll there; before the first one `known`, what the verdict says."""
        i = bisect_right(self._starts_mm, place_mm)
        return self._names[i - 1] if i else known

    def of(self, start_mm: float | None, end_mm: float | None, known: str) -> str:
        """The roll of a whole span: that of its middle."""
        return known if start_mm is None or end_mm is None else self.at((start_mm + end_mm) / 2, known)

    def parts(self, start_mm: float, end_mm: float, known: str) -> list[tuple[str, float, float]]:
        """A span cut where rolls begin: each part's roll, from and to."""
        inside = slice(bisect_right(self._starts_mm, start_mm), bisect_left(self._starts_mm, end_mm))
        names = [self.at(start_mm, known), *self._names[inside]]
        edges = pairwise([start_mm, *self._starts_mm[inside], end_mm])
        return [(name, from_mm, to_mm) for name, (from_mm, to_mm) in zip(names, edges, strict=True)]
