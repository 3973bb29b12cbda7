"""A stage, and the only loop: poll, step, report progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.link.link import IDLE_MS
from pipeline.messages.states import StageState


class Stage(Protocol):
    """One part of the line: no loop, thread, sleep or socket inside, its collaborators handed in.

    One that may be left alone for longer than IDLE_MS while nothing comes for it says so by `idle_ms`.
    """

    state: StageState
    handled: int

    @property
    def waiting(self) -> int:
        """What is in hand; waiting without handling is being stuck."""
        ...

    def step(self, now_ns: int) -> bool:
        """Do a little of what there is to do; whether there was something."""
        ...

    def close(self) -> None:
        """Finish what can be finished and release."""
        ...


def loop(
    stages: Sequence[Stage],
    wait: Callable[[int], None],
    stop: Callable[[], bool],
    report: Callable[[int, int], None] = lambda now_ns, steps: None,
) -> None:
    """The only loop: step every stage; sleep on the link when none had anything to do; until `stop`."""
    steps = 0
    while not stop():
        moved = False
        for stage in stages:
            moved |= stage.step(time.monotonic_ns())
        steps += 1
        report(time.monotonic_ns(), steps)
        if not moved:
            wait(min(getattr(stage, "idle_ms", IDLE_MS) for stage in stages))
