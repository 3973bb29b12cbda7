"""Whoever watches a running line, and why he cannot hold it up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import Full, Queue
from threading import Thread
from typing import Protocol, Self

from glass_core.errors import as_line
from pipeline.messages.message import Message
from pipeline.messages.stages import Progress

MAX_UNTOLD = 1000
LEAVE_S = 1.0
"""A watcher who has not shown the line's last words by then does not read them."""


class Watcher(Protocol):
    """Sees what a running line does; all of it is told in one thread, in its order."""

    def hear(self, message: Message) -> None:
        """What the line publishes."""
        ...

    def say(self, words: str) -> None:
        """A line of text of the line's processes, or about them."""
        ...

    def progress(self, progress: Mapping[str, Progress]) -> None:
        """The last word of each process, again and again."""
        ...

    def leave(self) -> None:
        """The line stops: its processes may still have something to say."""
        ...


def to_stderr(words: str) -> None:
    """Say one line, with nothing in it that a terminal would obey."""
    print(as_line(words), file=sys.stderr, flush=True)


class Unwatched:
    """Nobody looks; what is said goes to stderr."""

    def hear(self, message: Message) -> None:
        """Nothing."""

    def say(self, words: str) -> None:
        """One line."""
        to_stderr(words)

    def progress(self, progress: Mapping[str, Progress]) -> None:
        """Nothing."""

    def leave(self) -> None:
        """Nothing."""


class Watched:
    """Tells a watcher what the line does, from a thread of its own; used as a context manager.

    So a terminal that is stopped, or a pipe that nobody reads, holds up neither the processes nor who supervises them: what
    does not fit into the queue is left out and counted. An error of the watcher's own ends the line, by `check`; that
    nobody is there to read any more (OSError) does not.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._untold: Queue[Callable[[], None] | None] = Queue(MAX_UNTOLD)
        self._left_out = 0
        self._failure: Exception | None = None
        self._thread = Thread(target=self._tell, daemon=True)  # it may be in a write that never ends

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        with suppress(Full):
            self._untold.put(None, timeout=LEAVE_S)
        self._thread.join(LEAVE_S)
        if failure[0] is None:
            self.check()

    def hear(self, message: Message) -> None:
        """Pass on what the line publishes."""
        self._put(partial(self._watcher.hear, message))

    def say(self, words: str) -> None:
        """Pass on a line of text."""
        self._put(partial(self._watcher.say, words))

    def progress(self, progress: Mapping[str, Progress]) -> None:
        """Pass on the last words, where the watcher keeps up: the next ones are newer."""
        if self._untold.empty():
            self._put(partial(self._watcher.progress, progress))

    def leave(self) -> None:
        """Pass on that the line stops."""
        self._put(self._watcher.leave)

    def check(self) -> None:
        """Raise what the watcher raised."""
        if self._failure is not None:
            raise self._failure

    def _put(self, tell: Callable[[], None]) -> None:
        try:
            if self._left_out:
                note = f"glassline: {self._left_out} lines are left out here, they came faster than they were read"
                self._untold.put_nowait(partial(self._watcher.say, note))
                self._left_out = 0
            self._untold.put_nowait(tell)
        except Full:
            self._left_out += 1

    def _tell(self) -> None:
        while (tell := self._untold.get()) is not None:
            try:
                tell()
            except OSError:  # nobody reads any more: the line goes on
                continue
            except Exception as e:
                self._failure = self._failure or e
