"""A stage's word of itself: at once when it changes, again each second, and again and again until decision takes it."""

from __future__ import annotations

from pipeline.link.status import StatusReport
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState
from tests.fakes import Box

MS = 1_000_000


def told(box: Box) -> list[tuple[StageState, str]]:
    return [(s.state, s.detail) for s in box.take(Status)]


def test_it_is_said_at_once_where_it_changes_and_each_second_where_it_does_not() -> None:
    box = Box(room=999)
    report = StatusReport(box, "output", "plc", 3)
    for ms in range(0, 2400, 10):
        report.tell(ms * MS, StageState.DEGRADED if 1200 <= ms < 1250 else StageState.READY, "mute" * (1200 <= ms < 1250))
    ready, mute = (StageState.READY, ""), (StageState.DEGRADED, "mute")
    assert told(box) == [ready, ready, mute, ready, ready]  # at 0, 1000, 1200, 1250 and 2250 ms
    report.tell(2500 * MS, StageState.READY, weights_sha="w")
    (said,) = box.take(Status)
    assert (said.role, said.name, said.generation, said.weights_sha) == ("output", "plc", 3, "w")


def test_a_decision_that_comes_later_hears_it_at_once() -> None:
    box = Box(room=1)
    report = StatusReport(box, "motion", "motion", 0)
    report.tell(0, StageState.READY)
    box.take(Status)
    box.room = 0
    for ms in range(0, 1990, 10):
        report.tell(ms * MS, StageState.READY)
    box.room = 9
    report.tell(1990 * MS, StageState.READY)
    assert told(box) == [(StageState.READY, "")]
    report.tell(2980 * MS, StageState.READY)
    assert told(box) == []
