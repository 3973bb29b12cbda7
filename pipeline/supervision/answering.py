"""A person's answers to a running line: its stops and lamps are acknowledged, its latched fault is reset."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config.line import LineConfig
from pipeline.decision.line_state import GONE, UNLIKE
from pipeline.messages.actions import Action
from pipeline.messages.commands import Acknowledge, Reset
from pipeline.messages.line import LineState
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

    def __str__(self) -> str:
        if self.fault:
            return f"FAULT reset: {self.fault}"
        return f"roll accepted though {self.unlike}" if self.unlike else "nothing to reset: no fault is latched"


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

    >>> reset(running_line)
    Cleared(fault='recorder: disk full', unlike='')
    """
    before = next(m for m in tell(config, Reset()) if isinstance(m, LineState))
    return Cleared(
        fault=before.detail.removesuffix(GONE) if before.state is State.FAULT else "",
        unlike=before.detail if before.detail.startswith(UNLIKE) else "",
    )
