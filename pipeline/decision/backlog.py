"""What decision has for the recorder and the recorder has not committed yet: bounded, and repeated where it was lost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pipeline.link.protocol import Outbox
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message, Payload
from pipeline.messages.reasons import Reason
from pipeline.messages.record import MAX_UNCOMMITTED, Committed, RecordKey, record_key
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState
from pipeline.messages.values import Lapse, Span
from pipeline.messages.verdicts import Verdict

PICTURES = 64
FAULT = 5000
"""Records not yet taken: beyond the first number pictures are let go, at the second the line faults. From MAX_UNCOMMITTED on,
those taken and not yet committed counted in, new records fall out. What they said of the cloth is told as lost when there is
room, or at the end. Line states, rolls, events and what is told as lost are few, and fall out at twice as many."""


@dataclass
class Fallen:
    """One camera's verdicts that fell out of the backlog: their numbers, how many, and the cloth and time they spoke of."""

    first: int
    last: int
    count: int = 0
    span: Span = field(default_factory=Span)
    lapse: Lapse = field(default_factory=Lapse)

    def add(self, verdict: Verdict) -> None:
        """One more."""
        self.last, self.count = verdict.number, self.count + 1
        if verdict.rescan:
            return
        ends_mm = [mm for mm in (*vars(self.span).values(), verdict.start_mm, verdict.end_mm) if mm is not None]
        taken_ns = None  # of a frame, where its place does not say enough
        if verdict.seq is not None and verdict.start_mm is None:
            taken_ns = max(0, verdict.t_mono_ns - int((verdict.latency_ms or 0.0) * 1e6))
        ends_ns = [ns for ns in (*vars(self.lapse).values(), verdict.from_ns, verdict.to_ns, taken_ns) if ns is not None]
        self.span = Span(min(ends_mm, default=None), max(ends_mm, default=None))
        self.lapse = Lapse(min(ends_ns, default=None), max(ends_ns, default=None))


class Backlog:
    """Records on their way out, in order, each kept until the recorder has it on disk."""

    def __init__(self, recorder: Outbox) -> None:
        self._recorder = recorder
        self._waiting: deque[tuple[Message, tuple[Payload, ...]]] = deque()
        self._taken: dict[RecordKey, Message] = {}
        self._fallen: dict[str, Fallen] = {}
        self._generation = 0
        """Of the recorder that was heard last."""
        self.dropped = 0
        self.overflows = False
        """So many wait that something must be wrong with the recorder: from before the first falls out until half are safe."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: Message, payloads: tuple[Payload, ...]) -> None:
        """Keep a record until it is committed; a verdict goes without its picture where too many wait."""
        if self._held >= MAX_UNCOMMITTED * (2 if _few(message) else 1):
            self.dropped += not isinstance(message, Totals)  # the next ones say the same and more
            if isinstance(message, Verdict):
                self._fallen.setdefault(message.camera, Fallen(message.number, message.number)).add(message)
            return
        self._waiting.append((message, payloads) if len(self._waiting) <= PICTURES else (_bare(message), ()))
        self._weigh()

    def pass_on(self) -> bool:
        """Send what the recorder takes; whether it took anything."""
        moved = False
        while self._waiting and self._recorder.send(self._waiting[0][0], *self._waiting[0][1]):
            message = self._waiting.popleft()[0]
            if (key := record_key(message)) is not None:
                self._taken[key] = _bare(message)
            moved = True
        self._weigh()
        return moved

    def committed(self, safe: Committed) -> None:
        """Let go of what the recorder has on disk, and send again what was lost on the way there.

        Messages arrive in the order in which they were sent. So one that went before its like, and is not committed when that
        is, never arrived, or the word that it is safe did not; the recorder writes no record twice.
        """
        before: list[RecordKey] = []
        lost: list[Message] = []
        for key in list(self._taken):
            if key in safe:
                del self._taken[key]
                lost += [self._taken.pop(earlier) for earlier in before]
                before = []
            elif key[:2] == (safe.kind, safe.generation):
                before.append(key)
        self._send_again(lost)
        self._weigh()

    def hear(self, recorder: Status) -> None:
        """Send again what was taken and not committed, where the recorder is gone or is another one.

        Its successor ignores what it wrote. Nobody need have said that it is gone.
        """
        if recorder.generation < self._generation:
            return
        if recorder.state is not StageState.DOWN and recorder.generation == self._generation:
            return
        self._generation = recorder.generation
        self.send_uncommitted_again()

    def send_uncommitted_again(self) -> None:
        """Whatever was taken and is not known to be safe goes out once more."""
        self._send_again(list(self._taken.values()))
        self._taken.clear()

    def _send_again(self, lost: list[Message]) -> None:
        self._waiting.extendleft((message, ()) for message in reversed(lost))

    def take_fallen(self) -> dict[str, Fallen]:
        """What fell out of the backlog, by camera."""
        fallen, self._fallen = self._fallen, {}
        return fallen

    def _weigh(self) -> None:
        share = 2 if self.overflows else 1
        self.overflows = share * len(self._waiting) >= FAULT or share * self._held >= MAX_UNCOMMITTED

    @property
    def half_empty(self) -> bool:
        """Whether there is room again to tell of what fell out."""
        return self._held <= MAX_UNCOMMITTED // 2

    @property
    def _held(self) -> int:
        return len(self._waiting) + len(self._taken)


def _few(message: Message) -> bool:
    """Whether there are so few of its kind that they fall out last."""
    if isinstance(message, Verdict):
        return message.reason is Reason.RECORD_LOST
    return isinstance(message, LineState | Roll | SpanEvent)


def _bare(message: Message) -> Message:
    return message.model_copy(update={"cells_shape": None}) if isinstance(message, Verdict) else message
