"""A person's answers to a running line: its stops and lamps are acknowledged, its latched fault is reset."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from pipeline.config.line import LineConfig
from pipeline.decision.line_state import GONE, UNLIKE
from pipeline.messages.actions import Action
from pipeline.messages.commands import Acknowledge, Reset
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.states import ActionKind, Phase, State
from pipeline.supervision.telling import tell


@dataclass(frozen=True)
class Acknowledged:
    """How many stops and lamps somebody has now seen to."""

    stops: int
    lamps: int

    def __str__(self) -> str:
        counts = ((self.stops, "stop"), (self.lamps, "lamp"))
        named = [f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count]
        return f"{' and '.join(named)} acknowledged" if named else "nothing to acknowledge: no stop or lamp is open"


@dataclass(frozen=True)
class Cleared:
    """The fault that was latched, or what made the roll look like other cloth; both empty where there was nothing to reset."""

    fault: str
    unlike: str
    now: str = ""
    """How the line is after that."""

    def __str__(self) -> str:
        if self.fault:
            done = f"FAULT reset: {self.fault}"
        elif self.unlike:
            done = f"roll accepted though {self.unlike}"
        else:
            done = "nothing to reset: no fault is latched, and no roll is called other cloth"
        return f"{done}; the line is {self.now}" if self.now else done


def acknowledge(config: LineConfig) -> Acknowledged:
    """Acknowledge every open stop and lamp of a running line.

    Raises NotConfirmed where the line refuses or does not answer, InputError where no such line runs.

    >>> acknowledge(running_line)
    Acknowledged(stops=1, lamps=0)
    """
    said = tell(config, Acknowledge())
    seen_to = {m.event: m.kind for m in said if isinstance(m, Action) and m.phase is Phase.ACKNOWLEDGED}
    kinds = list(seen_to.values())
    return Acknowledged(kinds.count(ActionKind.STOP), kinds.count(ActionKind.LAMP))


def reset(config: LineConfig) -> Cleared:
    """Reset the latched FAULT of a running line, once its cause is gone; without one, accept a roll called WRONG_STYLE.

    Raises NotConfirmed where the line refuses or does not answer, InputError where no such line runs.

    >>> reset(running_line).fault
    'recorder: disk full'
    """
    said = tell(config, Reset())
    states = [m for m in said if isinstance(m, LineState)]
    beats = [m.state for m in said if isinstance(m, Heartbeat)]
    before, after = states[0], states[-1]
    fault, unlike = before.detail.removesuffix(GONE) if before.state is State.FAULT else "", ""
    if not fault and before.detail.startswith(UNLIKE):
        unlike = _unlike(before.detail, after.detail, {camera.name for camera in config.cameras})
    now = f"{after.state}: {after.detail}".rstrip(": ") if not beats or beats[-1] is after.state else str(beats[-1])
    return Cleared(fault, unlike, now)


def _unlike(before: str, after: str, cameras: set[str]) -> str:
    """What the cameras saw of other cloth; what follows is of the line's other parts, which may have come back meanwhile."""
    seen = takewhile(lambda part: part.partition(": ")[0] in cameras, before.removeprefix(f"{UNLIKE}: ").split("; "))
    left = after.split("; ")
    return f"{UNLIKE}: {'; '.join(part for part in seen if part not in left)}"
