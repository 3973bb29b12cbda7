"""All that decision says goes two ways: it is published, and recorded until it is safe."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.decision.backlog import Backlog
from pipeline.messages.message import Message, Payload
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.publisher import Publisher


class Voice:
    """The publisher and the backlog of records; `overflowed` hears at once of a backlog that is too full."""

    def __init__(self, publisher: Publisher, backlog: Backlog, overflowed: Callable[[], None]) -> None:
        self._publisher, self._backlog, self._overflowed = publisher, backlog, overflowed
        self.number = publisher.number

    def tell(self, message: Message, payloads: tuple[Payload, ...] = ()) -> None:
        """To everybody; the payloads to the recorder alone."""
        self._publisher.publish(message.model_copy(update={"cells_shape": None}) if isinstance(message, Verdict) else message)
        self._backlog.add(message, payloads)
        if self._backlog.overflows:
            self._overflowed()
