"""What decision and the recorder agree on: which records are safe."""

from __future__ import annotations

from typing import Literal

from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.domains import Count
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.verdicts import Verdict

MAX_UNCOMMITTED = 20_000
"""Records that decision keeps, and rows that the recorder keeps, while the disk takes none."""

Numbered = Verdict | LineState | Reject | Action | Roll | SpanEvent | Alignment
RecordKind = Literal["Verdict", "LineState", "Reject", "Action", "Roll", "SpanEvent", "Alignment"]
RecordKey = tuple[str, int, int]
"""Kind, generation and number: no two records of a run share it, and one that comes again is written once."""


class Committed(Message):
    """The recorder has these records on disk: of one kind and generation, from number `first` to number `last`."""

    kind: RecordKind
    generation: Count
    first: Count
    last: Count

    def __contains__(self, key: RecordKey) -> bool:
        """Whether it is one of them."""
        return key[:2] == (self.kind, self.generation) and self.first <= key[2] <= self.last


def record_key(message: Message) -> RecordKey | None:
    """What a record is known by; null for one that the next of its kind replaces."""
    if isinstance(message, Numbered):
        return type(message).__name__, message.generation, message.number
    return None
