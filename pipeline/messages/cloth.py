"""What is told of the cloth: contacts, rolls, spans that are no plain cloth, and how well two cameras agree."""

from __future__ import annotations

from pipeline.messages.message import Message
from pipeline.messages.states import EventAction, EventKind


class Contact(Message):
    """An input contact has closed; the config says what that means."""

    name: str
    t_mono_ns: int


class Alignment(Message):
    """How far apart two neighbouring cameras place the cloth that both see; null: it fits nowhere, or in several places."""

    number: int
    generation: int
    left: str
    right: str
    place_mm: float
    """Of the cloth compared, along the cloth."""
    across_mm: float | None
    """The right one's place less the left one's."""
    along_mm: float | None
    fit: float
    t_mono_ns: int


class Roll(Message):
    """A roll has begun, or with an empty id the last one has ended; positions on it count from `start_mm`."""

    number: int
    generation: int
    roll_id: str
    style: str
    start_mm: float | None
    cause: str
    """config, command, length, the contact, or restart: it is told again."""
    t_mono_ns: int
    t_utc_ns: int


class SpanEvent(Message):
    """A span of cloth is a seam, a lead, a stop mark or a wrinkle."""

    number: int
    generation: int
    kind: EventKind
    action: EventAction
    start_mm: float
    end_mm: float
    roll_id: str
    cause: str
    """command, the contact, or the camera whose picture shows it over its full width."""
    t_mono_ns: int
    t_utc_ns: int
