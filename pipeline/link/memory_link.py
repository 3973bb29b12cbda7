"""Messages in memory, inside one process: encoded and decoded as on a wire."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from pipeline.link.protocol import CAPACITY, DEFAULT_CAPACITY, MAX_BAD, Received
from pipeline.link.wire import DecodeError, decode, encode
from pipeline.messages.message import Message, Payload
from pipeline.telemetry import Refusals


class MemoryQueue:
    """Inbox and outbox in one."""

    def __init__(self, capacity: int) -> None:
        self._queue: deque[list[Payload]] = deque()
        self._capacity = capacity
        self.refused = Refusals()

    def send(self, message: Message, *payloads: Payload) -> bool:
        """False when full."""
        return self.send_parts(encode(message, payloads))

    def send_parts(self, parts: list[Payload]) -> bool:
        """A message as bytes, whatever they are; false when full."""
        if len(self._queue) >= self._capacity:
            return False
        self._queue.append([bytes(p) for p in parts])
        return True

    def receive(self) -> Received | None:
        """The oldest good message, or None; bad ones are counted and dropped, MAX_BAD at a time."""
        for _ in range(min(MAX_BAD, len(self._queue))):
            try:
                return decode(list(self._queue.popleft()))
            except DecodeError as e:
                self.refused.count(e.sender)
        return None


class MemoryBroadcast:
    """Keeps what was published in `heard`, the latest thousand."""

    def __init__(self) -> None:
        self.heard: deque[Message] = deque(maxlen=1000)

    def publish(self, message: Message) -> None:
        """Encoded and decoded like everything else."""
        self.heard.append(decode(encode(message))[0])

    def joined(self) -> bool:
        """Nobody joins later."""
        return False


class MemoryLink:
    """Queues inside one process, for replay, tests and breakpoints."""

    def __init__(self) -> None:
        self._queues: dict[str, MemoryQueue] = {}
        self.broadcasts: list[MemoryBroadcast] = []

    def inbox(self, name: str) -> MemoryQueue:
        """The queue called `name`."""
        return self._queues.setdefault(name, MemoryQueue(CAPACITY.get(name, DEFAULT_CAPACITY)))

    def outbox(self, name: str) -> MemoryQueue:
        """The same queue."""
        return self.inbox(name)

    def broadcast(self, bind: str, keys: Path | None = None) -> MemoryBroadcast:
        """A listener's ear."""
        self.broadcasts.append(MemoryBroadcast())
        return self.broadcasts[-1]

    def wait(self, timeout_ms: int) -> None:
        """Nothing comes from outside."""

    def close(self) -> None:
        """Nothing to close."""
