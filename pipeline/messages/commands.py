"""What people and other programs tell a running line, and what it answers."""

from __future__ import annotations

from pipeline.messages.domains import Count, EventMm, Fault, Label, RecordMm, Ticket
from pipeline.messages.message import Message
from pipeline.messages.states import EventKind


class Command(Message):
    """A word to the line."""

    ticket: Ticket = ""
    """By which its answer is known; empty: nobody waits for one."""


class Bypass(Command):
    """The operator sets rejects aside, or takes that back."""

    on: bool


class Acknowledge(Command):
    """Somebody has seen to an action's event; null: to all."""

    event: Count | None = None


class Reset(Command):
    """The operator clears a latched FAULT whose cause is gone; without one, accepts the roll as cloth of the card."""


class RollStart(Command):
    """A command: a roll begins; without an id: the present one ends."""

    roll_id: Label = ""
    style: Label | None = None
    """Null: that of the roll before."""
    at_mm: RecordMm | None = None
    """The line's position; null: here and now."""


class MarkEvent(Command):
    """A command: the cloth from `at_mm` (null: here and now) on, so far, is a seam or the like."""

    kind: EventKind
    at_mm: RecordMm | None = None
    length_mm: EventMm


class Answer(Message):
    """What became of a word; the state that it made was published just before."""

    number: Count
    generation: Count
    ticket: Ticket
    refused: Fault = ""
    """Why nothing was done, and what is allowed; empty: it was done."""
    t_mono_ns: Count
