"""Whoever looks on is told everything in its order, and cannot hold up the line."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from pipeline.messages.message import Message
from pipeline.messages.motion import EncoderCount
from pipeline.messages.stages import Progress
from pipeline.supervision import watching
from pipeline.supervision.watching import MAX_UNTOLD, Unwatched, Watched

PROGRESS = Progress(name="worker", generation=2, state=None, steps=1, handled=1, waiting=7)


class Noting:
    """Notes what it is told; waits at its first word until it is let go, raises where it is told to."""

    def __init__(self, held: bool = False, raises: Exception | None = None) -> None:
        self.told: list[object] = []
        self.begun, self.let_go, self._raises = threading.Event(), threading.Event(), raises
        if not held:
            self.let_go.set()

    def _note(self, told: object) -> None:
        self.begun.set()
        self.let_go.wait()
        self.told.append(told)
        if self._raises:
            raise self._raises

    def hear(self, message: Message) -> None:
        self._note(message)

    def say(self, words: str) -> None:
        self._note(words)

    def progress(self, progress: Mapping[str, Progress]) -> None:
        self._note(dict(progress))

    def leave(self) -> None:
        self._note("left")


def test_it_is_told_in_order_by_another_thread() -> None:
    watcher = Noting()
    with Watched(watcher) as watched:
        watched.hear(EncoderCount(count=3))
        watched.say("first")
        watched.leave()
        watched.say("last")
    assert watcher.told == [EncoderCount(count=3), "first", "left", "last"]


def test_one_who_does_not_read_holds_up_nothing_and_learns_how_much_was_left_out() -> None:
    watcher = Noting(held=True)
    with Watched(watcher) as watched:
        watched.say("0")
        assert watcher.begun.wait(10)
        for n in range(1, MAX_UNTOLD + 8):
            watched.say(str(n))
            watched.progress({"worker": PROGRESS})  # the next will be newer: never waits in the queue
        watcher.let_go.set()
        while len(watcher.told) < MAX_UNTOLD + 1:
            time.sleep(0.001)
        watched.say("after")
    assert watcher.told[: MAX_UNTOLD + 1] == [str(n) for n in range(MAX_UNTOLD + 1)]
    assert watcher.told[MAX_UNTOLD + 1 :] == [
        "glassline: 7 lines are left out here, they came faster than they were read", "after",
    ]  # fmt: skip


def test_one_who_never_reads_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LEAVE_S", 0.05)
    watcher = Noting(held=True)
    with Watched(watcher) as watched:
        for n in range(2 * MAX_UNTOLD):
            watched.say(str(n))
    assert watcher.told == []
    watcher.let_go.set()


def test_an_error_of_its_own_ends_the_line_and_a_broken_pipe_does_not() -> None:
    with Watched(Noting(raises=BrokenPipeError(32, "Broken pipe"))) as watched:
        watched.say("nobody reads")
    watched.check()
    watcher = Noting(raises=ZeroDivisionError("of its own"))
    with pytest.raises(ZeroDivisionError, match="of its own"), Watched(watcher) as watched:
        watched.progress({"worker": PROGRESS})
    assert watcher.told == [{"worker": PROGRESS}]


def test_what_is_said_reaches_no_terminal_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    Unwatched().say("camera lost, a\x1b[2J, torn")
    assert capsys.readouterr().err == "camera lost, a\\x1b[2J, torn\n"
