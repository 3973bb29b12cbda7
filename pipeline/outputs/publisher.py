"""Numbers and publishes what consumers act on: verdicts, rejects, line states, heartbeats, totals."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.link.protocol import Broadcast
from pipeline.messages.actions import Action
from pipeline.messages.cloth import Roll
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind

WELCOME_NS = 250_000_000
"""Between two welcomes, which everybody hears: they must not multiply what a crowd of newcomers sends."""


class Publisher:
    """Each kind has a number of its own, contiguous from 0 within a generation: a gap tells a consumer what it missed."""

    def __init__(self, broadcast: Broadcast, generation: int) -> None:
        self._broadcast = broadcast
        self._generation = generation
        self._numbers: dict[type[Message], int] = {}
        self._state: LineState | None = None
        self._roll: Roll | None = None
        self._newcomers = False
        self._welcome_due_ns = 0

    def number(self, kind: type[Message]) -> int:
        """The next number of that kind."""
        n = self._numbers.get(kind, 0)
        self._numbers[kind] = n + 1
        return n

    def publish(self, message: Message) -> None:
        """To everybody; the last line state and the present roll are kept for those who come later."""
        match message:
            case LineState():
                self._state = message
            case Roll():
                self._roll = message
        self._broadcast.publish(message)

    def welcome(self, unacknowledged: Iterable[Action], now_ns: int) -> None:
        """Whoever joined gets, within 250 ms, the present state and roll, and what is open, as they were told."""
        self._newcomers |= self._broadcast.joined()
        if self._newcomers and now_ns >= self._welcome_due_ns:
            self._newcomers, self._welcome_due_ns = False, now_ns + WELCOME_NS
            for told in filter(None, (self._state, self._roll, *unacknowledged)):
                self._broadcast.publish(told)

    def heartbeat(self, verdicts: int, bypass: bool, unacknowledged: Iterable[Action], now_ns: int) -> None:
        """Only decision's own progress makes one."""
        if self._state is not None:
            state, kinds = self._state, {a.kind for a in unacknowledged}
            self._broadcast.publish(
                Heartbeat(
                    number=self.number(Heartbeat), generation=self._generation, state=state.state,
                    inspection_ok=state.inspection_ok, verdicts=verdicts, bypass=bypass,
                    unacknowledged=tuple(k for k in ActionKind if k in kinds), t_mono_ns=now_ns,
                )
            )  # fmt: skip
