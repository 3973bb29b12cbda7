"""What machines act on: rejects, and the answers of the action table."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.messages.domains import Count, Int64, Name, NoName, RecordMm
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import ActionKind, Cause, Phase, Result


class Reject(Message):
    """Act on this span of cloth: the signal an integrator wires to a PLC."""

    number: Count
    generation: Count
    verdict: Count
    camera: Name
    cause: Result
    reason: Reason | None = None
    start_mm: RecordMm | None
    end_mm: RecordMm | None
    x0_mm: RecordMm | None = None
    x1_mm: RecordMm | None = None
    t_mono_ns: Count


class Action(Message):
    """What the action table answers to a defect, to cloth not inspected, or to a fault; the same `event` in each phase."""

    number: Count
    generation: Count
    event: Count
    """Of its own for each in a run of the line; one that was open when decision was restarted is told again."""
    kind: ActionKind
    cause: Cause
    phase: Phase
    verdict: Count | None = None
    camera: NoName = ""
    defect: Count | None = None
    """The joined defect: in one generation of decision each rule acts once on it."""
    severity: Annotated[int, Field(ge=1, le=4)] | None = None
    """1 to 4, the points of its length; null where the scale is not known."""
    start_mm: RecordMm | None = None
    end_mm: RecordMm | None = None
    x0_mm: RecordMm | None = None
    x1_mm: RecordMm | None = None
    target_mm: RecordMm | None = None
    """Position of the cloth at which the start of the place is at the actuator; null: at once."""
    target_count: Int64 | None = None
    """The same in encoder counts from the cloth's zero, where there is an encoder."""
    t_mono_ns: Count
