"""What lies where on the cloth, by position: rolls one after another, and spans that are no plain cloth (pure)."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from pipeline.messages.domains import MAX_LABEL
from pipeline.messages.states import EventAction, EventKind

ROLLS_KEPT = 32
"""A frame is decided within seconds of its picture: no roll so far back is asked for any more."""
EVENTS_KEPT = 256


@dataclass(frozen=True)
class RollSpan:
    """A roll from where it begins; without an id: cloth between rolls."""

    roll_id: str
    style: str
    start_mm: float | None
    """Null: lengths are not known, and it holds for all frames from then on."""


class Rolls:
    """The rolls of a line, the present one last; one that reaches `length_mm` ends there, and the next is counted on."""

    def __init__(self, roll_id: str, style: str, length_mm: float, start_mm: float | None = None) -> None:
        self._length_mm = length_mm
        self._rolls: deque[RollSpan] = deque([RollSpan(roll_id, style, start_mm)], maxlen=ROLLS_KEPT)

    @property
    def present(self) -> RollSpan:
        """The one that was begun last."""
        return self._rolls[-1]

    def namesake(self, roll_id: str, at_mm: float | None) -> RollSpan | None:
        """A roll of that name which stays where another begins at `at_mm`: nobody could tell the two apart by it."""
        same = (r for r in self._rolls if r.roll_id == roll_id)
        return next((r for r in same if at_mm is None or r.start_mm is None or r.start_mm < at_mm), None)

    def begin(self, roll_id: str, style: str, at_mm: float | None) -> RollSpan:
        """A roll begins; at a place before the present one's beginning it takes that one's place."""
        while (
            at_mm is not None and len(self._rolls) > 1 and (last_mm := self.present.start_mm) is not None and last_mm >= at_mm
        ):
            self._rolls.pop()
        self._rolls.append(RollSpan(roll_id, style, at_mm))
        return self.present

    def next(self, at_mm: float | None) -> RollSpan:
        """The roll that follows in number begins, of the same style; between two rolls it follows the last."""
        last = next((r.roll_id for r in reversed(self._rolls) if r.roll_id), "0")
        return self.begin(counted_on(last), self.present.style, at_mm)

    def reached(self, position_mm: float) -> RollSpan | None:
        """The first roll once it is placed, and the next where the present one has its full length; again until None."""
        present = self.present
        if not present.roll_id:
            return None
        if present.start_mm is None:  # the first word of where the cloth is
            self._rolls[-1] = RollSpan(present.roll_id, present.style, position_mm)
            return self.present
        full = int((position_mm - present.start_mm) // self._length_mm)
        if full < 1:
            return None
        rolls = max(1, full - ROLLS_KEPT)  # nobody asks for those before, and no cloth runs so far between two words of it
        return self.begin(counted_on(present.roll_id, rolls), present.style, present.start_mm + rolls * self._length_mm)

    def at(self, start_mm: float | None, end_mm: float | None) -> RollSpan:
        """The roll of a frame: that of its middle; the present one where it has no place."""
        if start_mm is not None and end_mm is not None:
            middle_mm = (start_mm + end_mm) / 2
            for roll in reversed(self._rolls):
                if roll.start_mm is None or roll.start_mm <= middle_mm:
                    return roll
            return self._rolls[0]
        return self.present

    def touched(self, start_mm: float, end_mm: float) -> list[RollSpan]:
        """All rolls that a span lies on, wholly or in part."""
        rolls = list(self._rolls)
        return rolls[rolls.index(self.at(start_mm, start_mm)) : rolls.index(self.at(end_mm, end_mm)) + 1]


def counted_on(roll_id: str, rolls: int = 1) -> str:
    """The name of the roll that follows, or of a later one: R-0009 gives R-0010, blue gives blue-2.

    A name that would grow too long loses letters before its number.
    """
    found = re.fullmatch(r"(.*?)([0-9]+)", roll_id)
    word, number = (found[1], f"{int(found[2]) + rolls:0{len(found[2])}d}") if found else (roll_id, f"-{rolls + 1}")
    return word[: MAX_LABEL - len(number)] + number[-MAX_LABEL:]


@dataclass(frozen=True)
class EventSpan:
    """A span of cloth that is a seam, a lead, a stop mark or a wrinkle, and what becomes of a defect in it."""

    kind: EventKind
    action: EventAction
    start_mm: float
    end_mm: float


class Events:
    """The spans lately told of."""

    def __init__(self) -> None:
        self._spans: deque[EventSpan] = deque(maxlen=EVENTS_KEPT)

    def add(self, span: EventSpan) -> None:
        """One more."""
        self._spans.append(span)

    def of(self, start_mm: float | None, end_mm: float | None) -> EventSpan | None:
        """The newest span that holds all of this."""
        if start_mm is None or end_mm is None:
            return None
        inside = (s for s in reversed(self._spans) if s.start_mm <= start_mm and end_mm <= s.end_mm)
        return next(inside, None)

    def suppress(self, start_mm: float, end_mm: float) -> EventSpan | None:
        """Of the spans that touch this one, and whose defects are no rejects, the one that ends last."""
        touch = (s for s in self._spans if s.action.suppresses and s.start_mm <= end_mm and start_mm <= s.end_mm)
        return max(touch, key=lambda s: s.end_mm, default=None)
