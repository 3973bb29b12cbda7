"""How messages travel: ZeroMQ between processes, or in memory inside one; every message is encoded and decoded either way.

Each stage has one inbox, which it binds; everybody else connects, so endpoints survive restarts. Work goes by PUSH/PULL with
small high-water marks and non-blocking sends: a refused send is an answer, never a wait and never a silent loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pipeline.messages.message import Message, Payload
from pipeline.telemetry import Refusals

Received = tuple[Message, tuple[memoryview, ...]]

CAPACITY = {"worker": 4, "recording": 16}
"""Messages that wait on each side of an inbox; pictures are big and soon stale, so theirs are short."""
DEFAULT_CAPACITY = 64
PORTION = 64
"""Messages that a stage takes at a time: whatever comes in, it comes back to its own work soon."""
MAX_BAD = 8
"""Bad messages dropped on the way to a good one; further ones wait for the next call."""
IDLE_MS = 5
"""Longest wait for something to come, unless a stage says otherwise: the grain of deadlines and of simulated pulses."""
LINGER_MS = 200
"""An accepted last word gets through if its receiver lives, and holds nobody up if not."""


class Inbox(Protocol):
    """Where a stage finds its messages."""

    refused: Refusals
    """What was dropped: messages that are not ours or not in their domain, and those that its stage has no use for."""

    def receive(self) -> Received | None:
        """The next message and its payloads; None at once where there is none, or after MAX_BAD that were dropped."""
        ...


def portion(inbox: Inbox, most: int = PORTION) -> Iterator[Received]:
    """What has come, in its order, but at most so many; MAX_BAD that are dropped together count as one."""
    for _ in range(most):
        refused = inbox.refused.total
        if (received := inbox.receive()) is not None:
            yield received
        elif inbox.refused.total == refused:  # nothing is left
            return


class Outbox(Protocol):
    """A way to one stage's inbox."""

    def send(self, message: Message, *payloads: Payload) -> bool:
        """False when the receiver is absent or its queue is full; never waits."""
        ...


class Broadcast(Protocol):
    """A way to everybody who listens."""

    def publish(self, message: Message) -> None:
        """To every present subscriber; a slow one loses messages and sees it in their numbers."""
        ...

    def joined(self) -> bool:
        """Whether somebody subscribed since the last call."""
        ...


class Link(Protocol):
    """One way of travelling."""

    def inbox(self, name: str) -> Inbox:
        """The inbox called `name`, bound here."""
        ...

    def outbox(self, name: str) -> Outbox:
        """A way to the inbox called `name`, wherever it is."""
        ...

    def broadcast(self, bind: str, keys: Path | None = None) -> Broadcast:
        """A publisher bound to `bind`; `keys` says who may listen over TCP."""
        ...

    def wait(self, timeout_ms: int) -> None:
        """Return when an inbox has something, or after `timeout_ms`."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
