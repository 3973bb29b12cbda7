"""What the processes of a line say of themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pipeline.messages.domains import MAX_CAMERAS, BootId, Count, Detail, Finite, FrameMm, Int64, Label, Name, RecordMm, Sha
from pipeline.messages.message import Message
from pipeline.messages.states import StageState


class Status(Message):
    """A process of the line says how it is, or the supervisor says it for one that cannot."""

    role: Name
    name: Name
    generation: Count
    state: StageState
    boot_id: BootId = ""
    detail: Detail = ""
    weights_sha: Sha = ""
    engine_sha: Sha = ""


class Began(BaseModel):
    """How a roll began, as one camera saw it: that holds until the next roll."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roll_id: Label
    style: Label
    start_mm: RecordMm | None
    unlike: Detail = ""
    """What is unlike the card's cloth; empty: nothing, or a person has accepted the roll."""
    raised: Finite = 0.0
    """By so much its thresholds are raised, in log odds."""


class Mark(BaseModel):
    """The place, the time and the frame of one camera before which everything has its verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mm: FrameMm | None = None
    """Of the line's position; null: not known."""
    t_mono_ns: Count | None = None
    """Null: the camera was never there."""
    boot_id: BootId = ""
    """The start that spoke last; empty: none did."""
    next_seq: Count = 0
    """After the last frame of it that was announced."""
    undecided: Int64 = 0
    """Frames announced before that, of earlier starts too, without a verdict; below 0: so many after it were told as lost."""
    began: Began | None = None
    """Null: the first metres of the roll are not over."""


class Decided(BaseModel):
    """What has its verdicts, by camera: decision goes on from there when it is started again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cameras: Annotated[dict[Name, Mark], Field(max_length=MAX_CAMERAS)]
    verdicts: Count = 0
    """How many there were: those with a number from there on came later."""


class Elapsed(BaseModel):
    """How long the course of cloth that exists only in the program has run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elapsed_s: Annotated[float, Field(ge=0, le=1e10)]


class Counted(BaseModel):
    """How far an encoder has counted: its register's last reading, the monotonic time of it, and counts since the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    raw: Int64
    read_ns: Count
    total: Int64


class Progress(Message):
    """A stage's heartbeat to the supervisor, sent from its own steps."""

    name: Name
    generation: Count
    state: StageState | None
    steps: Count
    handled: Count
    waiting: Count
    """Messages or pictures in hand; stuck = waiting and not handling."""
    counters: Annotated[dict[Label, Int64 | float], Field(max_length=64)] = Field(default_factory=dict)
    """Figures for the screen."""
    kept: Decided | Elapsed | Counted | None = None
    """What the stage's next generation goes on from."""
