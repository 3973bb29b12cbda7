"""Where the rolls of a run begin, as its record tells: the one answer to which roll a place is on (pure)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import count, pairwise

from pipeline.messages.cloth import Roll


class Borders:
    """Cloth belongs to the roll that began last before it; one that is begun further back takes the later ones' place.

    A roll may be told when frames of it are decided already. So a verdict's own roll is what was known then, and counts only
    where it has no place, or none of the rolls has one at or before it. A roll is known by its name and its beginning: the
    second that is called R1 is "R1 (2)" here. `first`: the name of the roll that ran from the beginning.
    """

    def __init__(self, told: Iterable[Roll], first: str = "") -> None:
        self.rolls: dict[str, Roll] = {}
        """Each roll that was told, as it was told last; cloth between rolls is called \"\"."""
        self._starts_mm: list[float] = []
        self._names: list[str] = []
        self._taken = {first}
        self._begun: dict[str, list[tuple[int, str]]] = {first: [(-1, first)]}
        for roll in told:
            place = len(self._names) if roll.start_mm is None else bisect_left(self._starts_mm, roll.start_mm)
            name = self._name(roll, self._names[place:])
            self._taken.add(name)
            self._begun.setdefault(roll.roll_id, []).append((roll.t_mono_ns, name))
            self.rolls[name] = roll
            if roll.start_mm is not None:
                self._starts_mm[place:], self._names[place:] = [roll.start_mm], [name]

    def named(self, roll_id: str, t_mono_ns: int) -> str:
        """Which of the rolls of that name a verdict means: the one that was begun last before it."""
        before = [name for told_ns, name in self._begun.get(roll_id, ()) if told_ns <= t_mono_ns]
        return before[-1] if before else roll_id

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

    def _name(self, roll: Roll, replaced: Sequence[str]) -> str:
        """One of its own, unless it is told again: another beginning of one that it replaces, or now that it has a place."""
        known = [name for _, name in self._begun.get(roll.roll_id, ())]
        if again := [name for name in reversed(known) if name in replaced or roll.cause == "config"]:
            return again[0]
        if not roll.roll_id or roll.roll_id not in self._taken:
            return roll.roll_id
        return next(name for n in count(2) if (name := f"{roll.roll_id} ({n})") not in self._taken)
