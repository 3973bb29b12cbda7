"""The last seconds of a line in memory, and which moments of them are to be kept."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pipeline.messages.message import Message, Payload

HEADER_BYTES = 2000
"""Of a message in memory, about."""


@dataclass(frozen=True)
class Entry:
    """A message of the line and when it was taken or said; `payload`: a frame's pixels, else empty."""

    t_ns: int
    message: Message
    payload: Payload = b""

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return memoryview(self.payload).nbytes + HEADER_BYTES


class Ring:
    """Entries in the order in which they came, and how much memory they take."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self.size = 0

    def __len__(self) -> int:
        """Entries that wait."""
        return len(self._entries)

    @property
    def oldest(self) -> Entry:
        """The one that leaves next."""
        return self._entries[0]

    def put(self, entry: Entry) -> None:
        """One more."""
        self._entries.append(entry)
        self.size += entry.size

    def pop(self) -> Entry:
        """The oldest, which leaves."""
        entry = self._entries.popleft()
        self.size -= entry.size
        return entry


class Windows:
    """Spans of time around moments that somebody wants to see; those that touch are one."""

    def __init__(self, before_ns: int, after_ns: int) -> None:
        self._before_ns, self._after_ns = before_ns, after_ns
        self._spans: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        """Whether any is still open."""
        return bool(self._spans)

    def want(self, t_ns: int) -> None:
        """Whatever is about that moment."""
        start_ns, end_ns = t_ns - self._before_ns, t_ns + self._after_ns
        apart = [(a, b) for a, b in self._spans if b < start_ns or a > end_ns]
        for a, b in self._spans:
            if (a, b) not in apart:
                start_ns, end_ns = min(a, start_ns), max(b, end_ns)
        self._spans = sorted([*apart, (start_ns, end_ns)])

    def wants(self, t_ns: int) -> bool:
        """Whether that moment is in one of them."""
        return any(start_ns <= t_ns <= end_ns for start_ns, end_ns in self._spans)

    def forget(self, t_ns: int) -> None:
        """Those that ended before that moment: nothing of them comes any more."""
        self._spans = [(a, b) for a, b in self._spans if b >= t_ns]
