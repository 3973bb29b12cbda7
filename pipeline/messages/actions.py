"""What machines act on: rejects, and the answers of the action table."""

from __future__ import annotations

from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import ActionKind, Cause, Phase, Result


class Reject(Message):
    """Act on this span of cloth: the signal an integrator wires to a PLC."""

    number: int
    generation: int
    verdict: int
    camera: str
    cause: Result
    reason: Reason | None = None
    start_mm: float | None
    end_mm: float | None
    x0_mm: float | None = None
    x1_mm: float | None = None
    t_mono_ns: int


class Action(Message):
    """What the action table answers to a defect, to cloth not inspected, or to a fault; the same `event` in each phase."""

    number: int
    generation: int
    event: int
    """Of its own for each in a run of the line; one that was open when decision was restarted is told again."""
    kind: ActionKind
    cause: Cause
    phase: Phase
    verdict: int | None = None
    camera: str = ""
    defect: int | None = None
    """The joined defect: in one generation of decision each rule acts once on it."""
    severity: int | None = None
    """1 to 4, the points of its length; null where the scale is not known."""
    start_mm: float | None = None
    end_mm: float | None = None
    x0_mm: float | None = None
    x1_mm: float | None = None
    target_mm: float | None = None
    """Position of the cloth at which the start of the place is at the actuator; null: at once."""
    target_count: int | None = None
    """The same in encoder counts from the cloth's zero, where there is an encoder."""
    t_mono_ns: int
