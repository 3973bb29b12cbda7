"""What people and other programs tell a running line."""

from __future__ import annotations

from pydantic import Field

from pipeline.messages.message import Message
from pipeline.messages.states import EventKind


class Bypass(Message):
    """The operator sets rejects aside, or takes that back."""

    on: bool


class Acknowledge(Message):
    """Somebody has seen to an action's event; null: to all."""

    event: int | None = None


class Reset(Message):
    """The operator clears a latched FAULT whose cause is gone; without one, accepts the roll as cloth of the card."""


class RollStart(Message):
    """A command: a roll begins; without an id: the present one ends."""

    roll_id: str = Field(default="", max_length=64)
    style: str | None = Field(default=None, max_length=64)
    """Null: that of the roll before."""
    at_mm: float | None = None
    """The line's position; null: here and now."""


class MarkEvent(Message):
    """A command: the cloth from `at_mm` (null: here and now) on, so far, is a seam or the like."""

    kind: EventKind
    at_mm: float | None = None
    length_mm: float = Field(gt=0)
