"""How the whole line is: its state, its heartbeat and its figures."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pipeline.messages.domains import MAX_CAMERAS, Count, Detail, Finite, Lanes, Name, NoName
from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind, State

STALE_NS = 1_000_000_000
"""Without a heartbeat for so long nobody says how the line is, whatever was heard before; ten are sent in that time."""


class LineState(Message):
    """How the line is; `inspection_ok` false means: do not trust that passing cloth is judged.

    It need not be false in DEGRADED: which condition gives which state, and whether cloth may pass in it, is one table
    (`line_state` in pipeline/decision/line_state).
    """

    number: Count
    generation: Count
    state: State
    inspection_ok: bool
    detail: Detail = ""
    t_mono_ns: Count
    t_utc_ns: Count


class Heartbeat(Message):
    """Made by decision's own progress: a consumer that misses it must act as on a reject."""

    number: Count
    generation: Count
    state: State
    inspection_ok: bool
    verdicts: Count
    bypass: bool = False
    """Rejects and actions are set aside, also where the state says something worse."""
    unacknowledged: tuple[ActionKind, ...] = ()
    """What somebody must still see to: while a STOP is among them there is no permit to run."""
    t_mono_ns: Count


class CameraCounts(BaseModel):
    """One camera's running totals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: Count
    passed: Count
    defect: Count
    not_inspected: Count
    inspected_m: Finite | None
    lanes: Lanes = ()
    last: NoName = ""


class Totals(Message):
    """What decision has counted so far, for screens and for the record."""

    generation: Count
    verdicts: Count
    passed: Count
    defect: Count
    not_inspected: Count
    reasons: Annotated[dict[Name, Count], Field(max_length=32)]
    late_scores: Count
    duplicates: Count
    rejects: Count
    rejects_inhibited: Count
    rescans: Count = 0
    """Verdicts on cloth that was judged before."""
    width_mm: Finite | None = None
    """Of the cloth now, where its edges are looked for."""
    waiting: Count
    """Frames announced and not yet decided."""
    unrecorded: Count = 0
    """Verdicts and other records dropped since the recorder took none for too long: the line is in FAULT."""
    inspected_m: Finite | None
    not_inspected_m: Finite | None
    position_mm: Finite | None
    speed_mm_s: Finite | None
    latency_ms: Annotated[dict[Name, Finite], Field(max_length=8)]
    cameras: Annotated[dict[Name, CameraCounts], Field(max_length=MAX_CAMERAS)]
    last_defect: Detail = ""
    last: bool = False
    """Decision closes in order: no verdict comes after these totals."""
    t_mono_ns: Count
