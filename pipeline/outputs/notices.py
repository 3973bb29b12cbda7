"""What other systems are told of a line: one table of topics, and what the publisher's messages become in it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.domains import Count, Name
from pipeline.messages.line import Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict

KEPT_VERDICTS = 256
"""A reject follows its verdict at once: of so many that are no PASS one must be it."""


class RejectNotice(BaseModel):
    """A reject, and the verdict that asked for it."""

    model_config = ConfigDict(frozen=True)

    reject: Reject
    verdict: Verdict | None
    """Null: it was given before this output was there."""


class Outage(BaseModel):
    """For how long the other side did not take messages, and what it will never be told of."""

    model_config = ConfigDict(frozen=True)

    from_utc_ns: Count
    to_utc_ns: Count
    late: Count
    """Messages that waited, and come after this one."""
    lost: dict[Name, Count]
    """By topic: dropped, since too many waited, or never heard from the line."""


class Topic(NamedTuple):
    """A topic of the table."""

    of: type[BaseModel]
    """What its JSON is."""
    queued: bool
    """It waits while the other side is away, and is sent until it is acknowledged; else it is now or never."""
    retained: bool
    """Whoever joins later is told the last one."""
    why: str


TOPICS = {
    "state": Topic(LineState, True, True, "how the line is; whoever joins must know it at once"),
    "roll": Topic(Roll, True, True, "a roll has begun or ended; whoever joins must know which one runs"),
    "reject": Topic(RejectNotice, True, False, "act on this cloth, and why; a newcomer must not act on it once more"),
    "defect": Topic(Verdict, True, False, "a picture that shows a defect, with its places; an event, never told again"),
    "action": Topic(Action, True, False, "what the action table asks for, and how far it is; an event"),
    "event": Topic(SpanEvent, True, False, "a seam, lead, stop mark or wrinkle; an event"),
    "outage": Topic(Outage, True, True, "what was missed while the other side was away; a newcomer should know it, too"),
    "totals": Topic(Totals, False, True, "running figures; the next one is due soon"),
    "heartbeat": Topic(Heartbeat, False, False, "decision lives; one that comes late is worth nothing"),
}
"""By name. QoS is 1 where a topic is queued, else 0: QoS 2 costs two more journeys, and numbers tell twins apart."""


class Notice(NamedTuple):
    """One thing to tell."""

    topic: str
    body: BaseModel


class Teller:
    """From what the line publishes to what is told: twins left out, gaps counted, a reject joined with its verdict.

    `from_the_start`: nobody has told those before the first that comes.
    """

    def __init__(self, from_the_start: bool = False) -> None:
        self._from_the_start = from_the_start
        self._missed: Counter[str] = Counter()
        self._last: dict[type[Message], tuple[int, int]] = {}
        self._verdicts: OrderedDict[tuple[int, int], Verdict] = OrderedDict()

    def hear(self, message: Message) -> Iterator[Notice]:
        """What to tell of it, if anything."""
        if not self._is_new(message):
            return
        match message:
            case LineState():
                yield Notice("state", message)
            case Heartbeat():
                yield Notice("heartbeat", message)
            case Totals():
                yield Notice("totals", message)
            case Roll():
                yield Notice("roll", message)
            case SpanEvent():
                yield Notice("event", message)
            case Action():
                yield Notice("action", message)
            case Reject():
                yield Notice("reject", RejectNotice(reject=message, verdict=self._verdict_of(message)))
            case Verdict() if message.result is not Result.PASS:
                self._verdicts[message.generation, message.number] = message
                if len(self._verdicts) > KEPT_VERDICTS:
                    self._verdicts.popitem(last=False)
                if message.result is Result.DEFECT:
                    yield Notice("defect", message)

    def missed(self) -> Counter[str]:
        """By topic, messages that the line published and this process did not get, since this was asked last."""
        found, self._missed = self._missed, Counter()
        return found

    def _verdict_of(self, reject: Reject) -> Verdict | None:
        return self._verdicts.get((reject.generation, reject.verdict))

    def _is_new(self, message: Message) -> bool:
        """Whether it was not told before: what is open is told again to newcomers, whom everybody hears."""
        number, generation = getattr(message, "number", None), getattr(message, "generation", None)
        if number is None or generation is None:
            return True
        kind = type(message)
        last = self._last.get(kind)
        if last is None and self._from_the_start and kind in (Reject, Verdict, SpanEvent):  # the others are told to newcomers
            last = generation, -1
        if last is not None and (generation, number) <= last:
            return False
        if last is not None and (topic := GAPS.get(kind)):
            missed = number - (last[1] + 1 if generation == last[0] else 0)
            self._missed += Counter({topic: missed})
        self._last[kind] = generation, number
        return True


GAPS: dict[type[Message], str] = {
    LineState: "state", Roll: "roll", Reject: "reject", Action: "action", SpanEvent: "event", Verdict: "defect",
}  # fmt: skip
"""Under which topic the gap of a message's numbers is told; a verdict that was not heard may have been a defect's."""
