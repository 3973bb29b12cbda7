"""How the whole line is: its state, its heartbeat and its figures."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind, State


class LineState(Message):
    """How the line is; `inspection_ok` false means: do not trust that passing cloth is judged."""

    number: int
    generation: int
    state: State
    inspection_ok: bool
    detail: str = ""
    t_mono_ns: int
    t_utc_ns: int


class Heartbeat(Message):
    """Made by decision's own progress: a consumer that misses it must act as on a reject."""

    number: int
    generation: int
    state: State
    inspection_ok: bool
    verdicts: int
    bypass: bool = False
    """Rejects and actions are set aside, also where the state says something worse."""
    unacknowledged: tuple[ActionKind, ...] = ()
    """What somebody must still see to: while a STOP is among them there is no permit to run."""
    t_mono_ns: int


class CameraCounts(BaseModel):
    """One camera's running totals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int
    passed: int
    defect: int
    not_inspected: int
    inspected_m: float | None
    lanes: tuple[float, ...] = ()
    last: str = ""


class Totals(Message):
    """What decision has counted so far, for screens and for the record."""

    generation: int
    verdicts: int
    passed: int
    defect: int
    not_inspected: int
    reasons: dict[str, int]
    late_scores: int
    duplicates: int
    rejects: int
    rejects_inhibited: int
    rescans: int = 0
    """Verdicts on cloth that was judged before."""
    width_mm: float | None = None
    """Of the cloth now, where its edges are looked for."""
    waiting: int
    """Frames announced and not yet decided."""
    unrecorded: int = 0
    """Verdicts and other records dropped since the recorder took none for too long: the line is in FAULT."""
    inspected_m: float | None
    not_inspected_m: float | None
    position_mm: float | None
    speed_mm_s: float | None
    latency_ms: dict[str, float]
    cameras: dict[str, CameraCounts]
    last_defect: str = ""
    t_mono_ns: int
