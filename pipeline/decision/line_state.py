"""The state of the line as a pure function of what decision knows, and who is ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.messages.message import Refused
from pipeline.messages.stages import Status
from pipeline.messages.states import MotionState, StageState, State

GONE = " (gone: reset it)"
"""Said of a latched fault whose cause is no longer there."""
UNLIKE = "not the cloth of the card"
"""Said, with what differs, of a roll that looks like another style."""

EVERYWHERE = (("worker", "worker"), ("recorder", "recorder"), ("motion", "motion"))
"""Stages that any line may have."""


@dataclass
class Roster:
    """Who has reported, by role and name, and what they last said."""

    cameras: tuple[str, ...]
    wires: tuple[tuple[str, str], ...] = ()
    """Role and name of the outputs and inputs."""
    stages: dict[tuple[str, str], Status] = field(default_factory=dict)
    overflows: Callable[[], bool] = lambda: False
    """Whether more waits for the recorder than may."""

    def hear(self, status: Status) -> None:
        """Keep the newest word of the newest generation; DOWN is a generation's last, whatever was still on its way.

        Refused where no stage of this line has that role and name.
        """
        place = status.role, status.name
        if place not in {*EVERYWHERE, *(("grabber", c) for c in self.cameras), *self.wires}:
            raise Refused("no such stage")
        known = self.stages.get(place)
        if (
            known is None
            or status.generation > known.generation
            or (status.generation == known.generation and known.state is not StageState.DOWN)
        ):
            self.stages[place] = status

    def state(self, role: str, name: str) -> StageState | None:
        """What that stage last said; None before its first word."""
        status = self.stages.get((role, name))
        return status.state if status else None

    @property
    def faults(self) -> list[str]:
        """What makes a PASS impossible."""
        told = [f"{s.name}: {s.detail}" for s in self.stages.values() if s.state is StageState.FAULT]
        return told + ["recorder: takes no records, make room on its disk or restart the line"] * self.overflows()

    @property
    def down(self) -> list[str]:
        """Stages that have gone after they were there, or cannot do all of their work."""
        ailing = (StageState.DOWN, StageState.DEGRADED)
        return [f"{s.name}: {s.detail}".rstrip(": ") for s in self.stages.values() if s.state in ailing]

    @property
    def awaited(self) -> list[str]:
        """Stages without a word so far."""
        wanted = [("worker", "worker"), *(("grabber", c) for c in self.cameras)]
        return [name for role, name in wanted if (role, name) not in self.stages]


def line_state(
    roster: Roster,
    motion: MotionState | None,
    frames: int,
    gap_open: bool,
    every_camera_judged: bool,
    bypass: bool,
    fault: str,
    wrong_style: str = "",
) -> tuple[State, bool, str]:
    """State, inspection_ok, and why: inspection is ok only once every camera has judged cloth and none has a gap open.

    Cloth at rest is healthy, however long. `fault` is the latched one: it stays until a person resets it.
    """
    if fault:
        return State.FAULT, False, fault if roster.faults else fault + GONE
    unlike = f"{UNLIKE}: {wrong_style}" if wrong_style else ""
    if bypass:
        return State.BYPASS, False, _each(unlike, "rejects are inhibited")
    if roster.awaited:
        return State.STARTING, False, _each(unlike, "waiting for " + ", ".join(roster.awaited))
    if roster.down or unlike:
        return State.DEGRADED, False, _each(unlike, *roster.down)
    if gap_open:
        return State.DEGRADED, False, "cloth passes that is not inspected"
    if motion is MotionState.STOPPED:
        return State.STOPPED, every_camera_judged, "the web is at rest"
    if not frames:
        return State.READY, False, "no cloth seen yet"
    return State.RUNNING, every_camera_judged, ""


def _each(*details: str) -> str:
    """What looks like another style comes first: it must not be hidden, since a person's reset accepts it."""
    return "; ".join(filter(None, details))
