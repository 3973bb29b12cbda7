"""A call that may wait for somebody, in a thread of its own, so that its stage never does.

A socket's timeout bounds neither a name server nor a peer that sends one byte at a time, and neither can be broken off. So the
stage gives the call up, and the thread ends when it can. There is one at a time, however long that takes.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Errand(Generic[T]):
    """Begun by `begin`, asked for by `result`; whoever no longer wants to know just does not ask."""

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._found: SimpleQueue[T | Exception] = SimpleQueue()

    @property
    def running(self) -> bool:
        """Whether the last one has not ended, given up or not: another cannot begin."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self, call: Callable[[], T]) -> None:
        """Start it; nothing of it is kept beyond this process."""
        assert not self.running
        found = self._found = SimpleQueue()

        def run() -> None:
            try:
                found.put(call())
            except Exception as e:  # whoever asks is told
                found.put(e)

        self._thread = Thread(target=run, daemon=True)
        self._thread.start()

    def result(self) -> T | None:
        """What it gave, once; None: nothing yet. Raises what it raised."""
        try:
            found = self._found.get_nowait()
        except Empty:
            return None
        self._thread = None  # it has nothing left to do, and may live for a moment
        if not isinstance(found, Exception):
            return found
        try:
            raise found
        finally:
            del found  # its traceback names this frame: each would keep the other, and the socket that failed
