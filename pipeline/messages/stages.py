"""What the processes of a line say of themselves."""

from __future__ import annotations

from pydantic import Field

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
