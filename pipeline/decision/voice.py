"""All that decision says goes two ways: it is published, and recorded until it is safe."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.decision.backlog import Backlog
from pipeline.messages.message import Message, Payload
from pipeline.messages.passages import Step
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.publisher import Publisher
from pipeline.telemetry import Trail


class Voice:
    """The publisher and the backlog of records; `overflowed` hears at once of a backlog that is too full."""

    def __init__(self, publisher: Publisher, backlog: Backlog, overflowed: Callable[[], None]) -> None:
        self._publisher, self._backlog, self._overflowed = publisher, backlog, overflowed
        self.number = publisher.number
        self.trail = Trail()

    def tell(self, message: Message, payloads: tuple[Payload, ...] = ()) -> None:
        """To everybody; the payloads to the recorder alone."""
        if isinstance(message, Verdict):
            self._mark(message, Step.DECIDED)
            self._publisher.publish(message.model_copy(update={"cells_shape": None}))
            self._mark(message, Step.PUBLISHED)
        else:
            self._publisher.publish(message)
        self._backlog.add(message, payloads)
        if self._backlog.overflows:
            self._overflowed()

    def _mark(self, verdict: Verdict, step: Step) -> None:
        """By the clock of now: the verdict's own time is that of decision's step, which may begin before its score comes."""
        if verdict.seq is not None:
            self.trail.mark((verdict.camera, verdict.boot_id, verdict.seq), step)
