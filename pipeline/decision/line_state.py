"""The state of the line as a pure function of what decision knows, and who is ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

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
    reject_wires: tuple[str, ...] = ()
    """The outputs that carry rejects to the machine."""
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

    def scores(self, generation: int) -> bool:
        """Whether a score of that generation of the worker counts: not after its successor spoke, or it was told down."""
        known = self.stages.get(("worker", "worker"))
        if known is None or generation > known.generation:
            return True
        return generation == known.generation and known.state is not StageState.DOWN

    @property
    def faults(self) -> list[str]:
        """What makes a PASS impossible."""
        told = [f"{s.name}: {s.detail}" for s in self.stages.values() if s.state is StageState.FAULT]
        return told + ["recorder: takes no records, make room on its disk or restart the line"] * self.overflows()

    @property
    def blind(self) -> list[str]:
        """What ails the stages without which cloth is not judged, or its reject does not reach the machine."""
        return [f"{s.name}: {s.detail}".rstrip(": ") for s in self._ailing if self._blinds(s)]

    @property
    def impaired(self) -> list[str]:
        """What ails the other stages."""
        return [f"{s.name}: {s.detail}".rstrip(": ") for s in self._ailing if not self._blinds(s)]

    @property
    def awaited(self) -> list[str]:
        """Stages without a word so far, without which cloth is not judged, or its reject does not reach the machine."""
        return [name for role, name in self._needed if (role, name) not in self.stages]

    @property
    def _needed(self) -> list[tuple[str, str]]:
        return [("worker", "worker"), *(("grabber", c) for c in self.cameras), *(("output", o) for o in self.reject_wires)]

    @property
    def _ailing(self) -> list[Status]:
        """They have gone after they were there, or cannot do all of their work."""
        return [s for s in self.stages.values() if s.state in (StageState.DOWN, StageState.DEGRADED)]

    def _blinds(self, status: Status) -> bool:
        """Whether no cloth may pass because of it; motion counts only when it is down, since until then its place is right."""
        return (status.role, status.name) in self._needed or (status.role == "motion" and status.state is StageState.DOWN)


class Standing(NamedTuple):
    """How the line is, and whether cloth that passes may be trusted to be judged."""

    state: State
    inspection_ok: bool
    detail: str


def line_state(
    roster: Roster,
    motion: MotionState | None,
    frames: int,
    gap_open: bool,
    every_camera_judged: bool,
    bypass: bool,
    fault: str,
    wrong_style: str = "",
    blind: Sequence[str] = (),
    impaired: Sequence[str] = (),
) -> Standing:
    """How the line is: the first condition that holds.

    condition                                                                       state     may cloth pass (inspection_ok)
    a FAULT was told (the recorder writes nothing, ...) and is not reset yet        FAULT     no
    the operator has set rejects aside, or the line only observes                   BYPASS    no
    no word yet of the worker, of a camera, of a wire that carries rejects          STARTING  no
    one of these, or motion, is lost; the roll is unlike the card's cloth           DEGRADED  no
    a camera's last cloth was not judged                                            DEGRADED  no
    any other stage is lost or ails; a camera drifts or is misaligned               DEGRADED  once every camera has judged cloth
    the cloth is at rest, however long                                              STOPPED   once every camera has judged cloth
    no camera has told of cloth yet                                                 READY     no
    none of these                                                                   RUNNING   once every camera has judged cloth

    `fault` is the latched one: it stays until a person resets it. `blind` and `impaired`: what decision itself knows of these
    kinds, beside what the roster's stages say. The detail begins with a roll that looks unlike the card; nothing but a fault
    hides that. A person's reset accepts such a roll, so whoever resets must have read of it.
    """
    unlike = [f"{UNLIKE}: {wrong_style}"] * bool(wrong_style)
    awaited, blinding = ", ".join(roster.awaited), [*unlike, *roster.blind, *blind]
    ailing = [*blinding, *roster.impaired, *impaired]
    judged = every_camera_judged
    conditions = (
        (bool(fault), Standing(State.FAULT, False, fault if roster.faults else fault + GONE)),
        (bypass, Standing(State.BYPASS, False, "; ".join([*unlike, "rejects are inhibited"]))),
        (bool(awaited), Standing(State.STARTING, False, "; ".join([*unlike, f"waiting for {awaited}"]))),
        (bool(blinding), Standing(State.DEGRADED, False, "; ".join(ailing))),
        (gap_open, Standing(State.DEGRADED, False, "; ".join(["cloth passes that is not inspected", *ailing]))),
        (bool(ailing), Standing(State.DEGRADED, judged, "; ".join(ailing))),
        (motion is MotionState.STOPPED, Standing(State.STOPPED, judged, "the cloth is at rest")),
        (not frames, Standing(State.READY, False, "no cloth seen yet")),
    )
    return next((standing for holds, standing in conditions if holds), Standing(State.RUNNING, judged, ""))
