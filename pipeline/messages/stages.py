"""What the processes of a line say of themselves."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.messages.message import Message
from pipeline.messages.states import StageState


class Status(Message):
    """A process of the line says how it is, or the supervisor says it for one that cannot."""

    role: str
    name: str
    generation: int
    state: StageState
    boot_id: str = ""
    detail: str = ""
    weights_sha: str = ""
    engine_sha: str = ""


class Decided(BaseModel):
    """Up to where each camera's cloth has its verdicts, in mm of the line's position."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mm: dict[str, float]


class Elapsed(BaseModel):
    """How long the course of cloth that exists only in the program has run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    elapsed_s: float


class Counted(BaseModel):
    """How far an encoder has counted: its register's last reading, the monotonic time of it, and counts since the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    raw: int
    read_ns: int
    total: int


class Progress(Message):
    """A stage's heartbeat to the supervisor, sent from its own steps."""

    name: str
    generation: int
    state: StageState | None
    steps: int
    handled: int
    waiting: int
    """Messages or pictures in hand; stuck = waiting and not handling."""
    counters: dict[str, int | float] = Field(default_factory=dict)
    """Figures for the screen."""
    kept: Decided | Elapsed | Counted | None = None
    """What the stage's next generation goes on from."""
