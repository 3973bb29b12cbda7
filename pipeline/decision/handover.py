"""What a stage that is started again must not forget, as the line has published it and the stage before has reported it."""

from __future__ import annotations

from collections import deque

from pydantic import BaseModel, ConfigDict

from pipeline.cloth.rolls import EVENTS_KEPT
from pipeline.decision.actions import UNACKNOWLEDGED
from pipeline.decision.line_state import GONE
from pipeline.decision.since import Since
from pipeline.messages.actions import Action
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.commands import RollStart
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.stages import Counted, Decided, Elapsed, Progress
from pipeline.messages.states import ActionKind, Phase, State
from pipeline.messages.verdicts import Verdict


class Handover(BaseModel):
    """Part of a process's Spec."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roll: RollStart | None = None
    """The roll that runs; null: the config's."""
    bypass: bool = False
    fault: str = ""
    """The latched one."""
    actions: tuple[Action, ...] = ()
    """Those that nobody has acknowledged, and those whose place on the cloth is still to come."""
    events: int = 0
    """How many there were: numbers go on from there."""
    spans: tuple[SpanEvent, ...] = ()
    """Seams and the like, told of lately."""
    decided: Decided = Decided(cameras={})
    """What has its verdicts."""
    totals: Totals | None = None
    """The last that were told."""
    travelled: Elapsed | Counted | None = None
    """How far the motion source has come; null: it starts at 0."""


class Heard:
    """Keeps a Handover up to date from what is published and reported."""

    def __init__(self, before: Handover | None = None) -> None:
        before = before or Handover()
        self._roll, self._events = before.roll, before.events
        self.fault = before.fault
        """The latched one; empty: none."""
        self._actions = {action.event: action for action in before.actions}
        self._spans = deque(before.spans, EVENTS_KEPT)
        self._since, self._travelled = Since(before.decided), before.travelled
        self._totals, self._verdicts = before.totals, 0

    def handover(self, bypass: bool) -> Handover:
        """As it stands."""
        actions, totals = tuple(self._actions.values()), self._totals
        if totals is not None and totals.verdicts < self._verdicts:
            totals = totals.model_copy(update={"verdicts": self._verdicts})
        return Handover(
            roll=self._roll, bypass=bypass, fault=self.fault, actions=actions, events=self._events, spans=tuple(self._spans),
            decided=self._since.decided, totals=totals, travelled=self._travelled,
        )  # fmt: skip

    def hear(self, message: Message) -> None:
        """One more message; those of other kinds change nothing."""
        match message:
            case Roll() if message.cause != "config" or message.generation == 0:
                self._roll = RollStart(roll_id=message.roll_id, style=message.style, at_mm=message.start_mm)
            case LineState():
                self.fault = message.detail.removesuffix(GONE) if message.state is State.FAULT else ""
            case Totals():
                if self._totals is None or message.generation != self._totals.generation:
                    self._verdicts = 0
                self._totals = message
            case Action():
                self._hear_action(message)
            case SpanEvent():
                self._spans.append(message)
            case Progress(kept=Decided() as decided):
                self._since.report(message.generation, decided)
                self._count(message.generation, decided.verdicts)
            case Verdict():
                self._since.hear(message)
                self._count(message.generation, message.number + 1)
            case Progress(kept=Elapsed() | Counted() as travelled):
                self._travelled = travelled

    def _count(self, generation: int, verdicts: int) -> None:
        """So many there are by now, of the decision whose totals are known."""
        if self._totals is not None and generation == self._totals.generation:
            self._verdicts = max(self._verdicts, verdicts)

    def _hear_action(self, action: Action) -> None:
        known, self._events = self._actions.get(action.event), max(self._events, action.event + 1)
        if action.phase is Phase.ACKNOWLEDGED:
            if known is not None and known.phase is Phase.NOW:  # one acknowledged before it was due acts all the same
                del self._actions[action.event]
        elif action.phase is Phase.LET_BY or (action.kind is ActionKind.MARK and action.phase is Phase.NOW):
            self._actions.pop(action.event, None)
        else:
            self._actions[action.event] = action
            if len(self._actions) > UNACKNOWLEDGED:
                del self._actions[next(iter(self._actions))]
