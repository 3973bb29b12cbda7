"""A line stops from its sources to its record, and waits for decision as long as it has work and no longer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pipeline.messages.stages import Progress
from pipeline.messages.states import StageState
from pipeline.supervision.child import Child
from pipeline.supervision.stopping import STOP_S, stop_in_order

ROLES = ("recorder", "decision", "worker", "output", "motion", "grabber")


class Line:
    """One child of each role; decision's process lives."""

    def __init__(self) -> None:
        self.children = [Child(role, role, 0) for role in ROLES]
        self.decision = self.children[1]
        self.decision.process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
        self.ended: list[tuple[str, float]] = []
        self.waiting = [2, 1, 0]
        """What decision reports of its work, one a hearing; the last again and again."""

    def end(self, children: list[Child], until_s: float) -> None:
        self.ended += [(child.name, until_s) for child in children]

    def hear(self) -> None:
        waiting = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
        self.decision.heard_ns = time.monotonic_ns()
        self.decision.progress = Progress(
            name="decision", generation=0, state=StageState.READY, steps=1, handled=0, waiting=waiting
        )

    def stop(self, end_s: float, standby: Child | None = None) -> list[str]:
        stop_in_order(self.children, standby, end_s, self.end, self.hear)
        return list(dict.fromkeys(name for name, _ in self.ended))


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    assert made.decision.process is not None
    made.decision.process.kill()
    made.decision.process.wait()


def test_sources_end_first_and_the_recorder_last(line: Line) -> None:
    end_s = time.monotonic() + 60
    names = line.stop(end_s, Child("worker", "standby"))
    assert names[0] == "standby" and set(names[1:3]) == {"motion", "grabber"} and names[-2:] == ["decision", "recorder"]
    by = dict(reversed(line.ended))
    assert by["standby"] < by["grabber"] < by["worker"] == by["decision"] < by["recorder"] == end_s
    assert line.waiting == [0] and time.monotonic() < end_s - 30


@pytest.mark.parametrize("alive", [True, False])
def test_decision_is_waited_for_no_longer_than_there_is_time_or_it_lives(line: Line, alive: bool) -> None:
    line.waiting = [1]
    began_s = time.monotonic()
    if not alive:
        assert line.decision.process is not None
        line.decision.process.kill()
        line.decision.process.wait()
    assert line.stop(began_s + STOP_S)[-1] == "recorder"
    assert (line.decision.progress is not None) is alive  # it was waited for
