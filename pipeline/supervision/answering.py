"""A person's answers to a running line: its stops and lamps are acknowledged, its latched fault is reset."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config.line import LineConfig
from pipeline.decision.line_state import GONE, UNLIKE
from pipeline.messages.actions import Action
from pipeline.messages.commands import Acknowledge, Reset
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.message import Message
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

    Raises NotConfirmed where the line does not say that it is done, InputError where no such line runs.

    >>> acknowledge(running_line)
    Acknowledged(stops=1, lamps=0)
    """
    seen_to: dict[int, ActionKind] = {}

    def done(message: Message) -> bool:
        if isinstance(message, Action) and message.phase is Phase.ACKNOWLEDGED:
            seen_to[message.event] = message.kind
        return isinstance(message, Heartbeat) and not message.unacknowledged

    tell(config, Acknowledge(), done)
    kinds = list(seen_to.values())
    return Acknowledged(kinds.count(ActionKind.STOP), kinds.count(ActionKind.LAMP))


def reset(config: LineConfig) -> Cleared:
    """Reset the latched FAULT of a running line, once its cause is gone; without one, accept a roll called WRONG_STYLE.

    Raises NotConfirmed where the line does not say that it is done, InputError where no such line runs.

    >>> reset(running_line)
    Cleared(fault='recorder: disk full', unlike='')
    """
    states: list[LineState] = []

    def done(message: Message) -> bool:
        if isinstance(message, LineState):
            states.append(message)
        unlike = bool(states) and states[-1].detail.startswith(UNLIKE)
        return bool(states) and isinstance(message, Heartbeat) and message.state is not State.FAULT and not unlike

    tell(config, Reset(), done)
    before = states[0]
    return Cleared(
        fault=before.detail.removesuffix(GONE) if before.state is State.FAULT else "",
        unlike=before.detail if before.detail.startswith(UNLIKE) else "",
    )
