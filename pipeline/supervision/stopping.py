"""The order in which a line's processes stop: sources first, then what is in hand is decided and recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from pipeline.supervision.builders import ROLES
from pipeline.supervision.child import Child

STOP_S = 2.5
"""From the request to the last process: what has not stopped by then is killed."""
SOURCES_S, DECIDED_S, RECORDED_S = 1.5, 1.2, 0.5
"""So long before that sources have ended, all that they gave is decided, and everybody but the recorder has ended."""


def stop_in_order(
    children: Sequence[Child],
    standby: Child | None,
    end_s: float,
    end: Callable[[list[Child], float], None],
    hear: Callable[[], None],
) -> None:
    """Nothing outlives `end_s`. `end` ends processes by a time; `hear` takes in what they report meanwhile."""
    if standby is not None:
        end([standby], 0.0)  # it has nothing in hand, and may not hear while it loads its engine
    end([c for c in children if ROLES[c.role].source], end_s - SOURCES_S)
    decision = next(c for c in children if c.role == "decision")
    seen_ns = time.monotonic_ns()
    while decision.process is not None and decision.process.poll() is None and time.monotonic() < end_s - DECIDED_S:
        hear()
        if decision.heard_ns > seen_ns and decision.progress is not None and not decision.progress.waiting:
            break
        time.sleep(0.02)
    for role in reversed(ROLES):
        end([c for c in children if c.role == role], end_s if role == "recorder" else end_s - RECORDED_S)
