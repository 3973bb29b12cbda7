"""The only loop: poll, step, report progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pipeline.link.protocol import IDLE_MS
from pipeline.link.stage import Stage


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
