"""What one process of a line is to be."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.config.line import LineConfig
from pipeline.decision.handover import Handover


class Spec(BaseModel):
    """What one process is to be; written by the supervisor as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    name: str
    generation: int
    supervisor_pid: int | None = None
    """Whom it does not outlive."""
    begun_by: int | None = None
    """The supervisor that began the run: this one, or one that was killed and whose run goes on."""
    folder: Path
    """Sockets."""
    config: LineConfig
    observe: bool = False
    live: bool = True
    """False: replay in one process, without deadlines and losses."""
    needed_tiles_per_s: float = 0.0
    """A worker that is measured slower at the line's start refuses it."""
    standby: bool = False
    """It loads its engine and then waits for the signal to take over."""
    before: Handover = Handover()
    """What a stage that is started again must not forget."""
