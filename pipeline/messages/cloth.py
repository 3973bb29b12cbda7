"""What is told of the cloth: contacts, rolls, spans that are no plain cloth, and how well two cameras agree."""

from __future__ import annotations

from pipeline.messages.domains import Count, Finite, Label, Name, RecordMm
from pipeline.messages.message import Message
from pipeline.messages.states import EventAction, EventKind


class Contact(Message):
    """An input contact has closed; the config says what that means."""

    name: Label
    t_mono_ns: Count


class Alignment(Message):
    """How far apart two neighbouring cameras place the cloth that both see; null: it fits nowhere, or in several places."""

    number: Count
    generation: Count
    left: Name
    right: Name
    place_mm: RecordMm
    """Of the cloth compared, along the cloth."""
    across_mm: RecordMm | None
    """The right one's place less the left one's."""
    along_mm: RecordMm | None
    fit: Finite
    t_mono_ns: Count


class Roll(Message):
    """A roll has begun, or with an empty id the last one has ended; positions on it count from `start_mm`."""

    number: Count
    generation: Count
    roll_id: Label
    style: Label
    start_mm: RecordMm | None
    cause: Label
    """config, command, length, the contact, or restart: it is told again."""
    t_mono_ns: Count
    t_utc_ns: Count


class SpanEvent(Message):
    """A span of cloth is a seam, a lead, a stop mark or a wrinkle."""

    number: Count
    generation: Count
    kind: EventKind
    action: EventAction
    start_mm: RecordMm
    end_mm: RecordMm
    roll_id: Label
    cause: Label
    """command, the contact, or the camera whose picture shows it over its full width."""
    t_mono_ns: Count
    t_utc_ns: Count
