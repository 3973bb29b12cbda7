"""What decision has for the recorder and the recorder has not taken yet: bounded in pictures, repeated after a kill."""

from __future__ import annotations

from collections import deque

from pipeline.link.protocol import Outbox
from pipeline.messages.message import Message, Payload
from pipeline.messages.verdicts import Verdict

PICTURES = 64
FAULT = 5000
MOST = 6000
"""Records not yet taken: beyond the first number pictures are let go, at the second the line faults, and from the third on,
while nothing passes any more, new records are dropped and counted."""
TAKEN_KEPT = 512
"""Records the recorder took lately, without pictures: more than its queue and one group commit, should it be killed."""


class Backlog:
    """Records on their way out, in order."""

    def __init__(self, recorder: Outbox) -> None:
        self._recorder = recorder
        self._waiting: deque[tuple[Message, tuple[Payload, ...]]] = deque()
        self._taken: deque[Message] = deque(maxlen=TAKEN_KEPT)
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def overflows(self) -> bool:
        """So many wait that something must be wrong with the recorder."""
        return len(self._waiting) >= FAULT

    def add(self, message: Message, payloads: tuple[Payload, ...]) -> None:
        """Keep a record until it is taken; a verdict goes without its picture where too many wait."""
        if len(self._waiting) >= MOST:
            self.dropped += 1
            return
        self._waiting.append((message, payloads) if len(self._waiting) <= PICTURES else (_bare(message), ()))

    def pass_on(self) -> bool:
        """Send what the recorder takes; whether it took anything."""
        moved = False
        while self._waiting and self._recorder.send(self._waiting[0][0], *self._waiting[0][1]):
            self._taken.append(_bare(self._waiting.popleft()[0]))
            moved = True
        return moved

    def repeat(self) -> None:
        """Send again what was taken lately: a killed recorder had not written all of it, its successor ignores what it has."""
        self._waiting.extendleft((message, ()) for message in reversed(self._taken))
        self._taken.clear()


def _bare(message: Message) -> Message:
    return message.model_copy(update={"cells_shape": None}) if isinstance(message, Verdict) else message
