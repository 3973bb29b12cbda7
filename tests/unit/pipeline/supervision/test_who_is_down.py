"""Decision hears of a process that is down, again and again, until its successor works."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.link.memory_link import MemoryQueue
from pipeline.messages.stages import Progress, Status
from pipeline.messages.states import StageState
from pipeline.supervision.child import Child
from pipeline.supervision.who_is_down import WhoIsDown

S = 1_000_000_000


class Bench:
    """Camera a of generation 3, which runs, and what decision hears of it."""

    def __init__(self) -> None:
        self.decision = MemoryQueue(1000)
        self.down = WhoIsDown(self.decision)
        self.child = self.born("grabber", "a", 3)
        self._now_ns = S

    def born(self, role: str, name: str, generation: int) -> Child:
        process = subprocess.Popen([sys.executable, "-S", "-c", "pass"])
        process.wait()
        return Child(role, name, generation, process)

    def report(self) -> None:
        self.child.progress = Progress(
            name="a", generation=self.child.generation, state=StageState.READY, steps=1, handled=0, waiting=0
        )

    def told(self, *more: Child) -> list[tuple[str, int, StageState, str]]:
        self._now_ns += 10 * S
        self.down.tell([self.child, *more], self._now_ns)
        heard = list[tuple[str, int, StageState, str]]()
        while (received := self.decision.receive()) is not None:
            status = received[0]
            assert isinstance(status, Status)
            heard.append((status.name, status.generation, status.state, status.detail))
        return heard


@pytest.fixture
def bench() -> Iterator[Bench]:
    yield Bench()


def test_it_is_told_until_its_successor_is_ready_and_does_not_only_stand_by(bench: Bench) -> None:
    word = [("a", 3, StageState.DOWN, "the cable is off")]
    assert bench.told() == []
    bench.down.note(bench.child, "the cable is off")
    assert bench.told() == word == bench.told()
    bench.report()  # a last word of the one that died
    assert bench.told() == word
    bench.child.generation = 4
    assert bench.told() == word
    bench.report()
    bench.child.waits = True
    assert bench.told() == word
    bench.child.waits = False
    assert bench.told() == []


def test_each_is_told_of_but_decision_itself(bench: Bench) -> None:
    others = [bench.born("decision", "decision", 0), bench.born("grabber", "b", 1)]
    for child in (bench.child, *others):
        bench.down.note(child, f"{child.name} died")
    assert {name for name, *_ in bench.told(*others)} == {"a", "b"}


def test_the_same_reason_is_known_and_another_is_not(bench: Bench) -> None:
    assert not bench.down.is_known(bench.child, "off")
    bench.down.note(bench.child, "off")
    assert bench.down.is_known(bench.child, "off") and not bench.down.is_known(bench.child, "on fire")
    assert not bench.down.is_known(bench.born("output", "a", 3), "off")
    bench.down.note(bench.child, "on fire")
    assert not bench.down.is_known(bench.child, "off")
