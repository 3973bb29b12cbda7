"""A call in a thread of its own: one at a time, and over as soon as its result is known."""

from __future__ import annotations

import threading

import pytest

from pipeline.outputs.errand import Errand
from tests.mosquitto import until


def test_it_is_over_with_its_result_though_its_thread_lives_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    last = threading.Event()
    run = threading.Thread.run

    def linger(thread: threading.Thread) -> None:
        run(thread)
        last.wait(30)

    errand: Errand[int] = Errand()
    with monkeypatch.context() as slow:
        slow.setattr(threading.Thread, "run", linger)
        errand.begin(lambda: 7)
        thread = errand._thread
        found: list[int | None] = []
        until(lambda: found.append(errand.result()) or found[-1] is not None)
        assert found[-1] == 7 and thread is not None and thread.is_alive()
        assert not errand.running
    errand.begin(lambda: 8)
    until(lambda: errand.result() == 8)
    last.set()
    thread.join(5)


def test_one_that_was_given_up_is_running_until_it_ends() -> None:
    ends = threading.Event()
    errand: Errand[bool] = Errand()
    errand.begin(lambda: ends.wait(30))
    assert errand.running and errand.result() is None
    ends.set()
    until(lambda: not errand.running)
