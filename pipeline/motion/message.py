"""Encoder counts in messages: a camera's own, or another program's."""

from __future__ import annotations

from pipeline.link.protocol import Inbox, portion
from pipeline.messages.motion import EncoderCount
from pipeline.motion.counts import Reading

MAX_COUNTS = 512
"""Of one reading: a program may count faster than the stage steps."""


class MessageCounts:
    """EncoderCount messages in the motion stage's own inbox: from a camera's grabber, or from any program of this user."""

    trouble = ""

    def __init__(self, inbox: Inbox, source: str, rests: bool) -> None:
        self._inbox, self._source, self.rests = inbox, source, rests

    @property
    def refused(self) -> int:
        """Messages that are none of this encoder's."""
        return self._inbox.refused.by_sender.total()

    def read(self, now_ns: int) -> list[Reading]:
        """Those of the source that was asked for."""
        found = []
        for message, _ in portion(self._inbox, MAX_COUNTS):
            if isinstance(message, EncoderCount) and message.source == self._source:
                # A stamp is a little newer than the time handed in here; one from tomorrow would hide the encoder's silence.
                found.append((message.count, now_ns if message.t_mono_ns is None else min(message.t_mono_ns, now_ns)))
            else:
                self._inbox.refused.count(message.sender)
        return found

    def close(self) -> None:
        """Nothing of its own."""
