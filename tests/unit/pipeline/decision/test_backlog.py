"""What waits for the recorder is bounded for every kind of record, and too much of it is a fault until half of it is safe."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.decision.backlog import Backlog
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.record import Committed
from pipeline.messages.states import EventAction, EventKind, Result, State
from tests.fakes import Box

COMMON: dict[str, Any] = {"generation": 0, "t_mono_ns": 0}


def reject(number: int) -> Reject:
    return Reject(number=number, verdict=number, camera="c", cause=Result.DEFECT, start_mm=None, end_mm=None, **COMMON)


def state(number: int) -> LineState:
    return LineState(number=number, state=State.RUNNING, inspection_ok=True, t_utc_ns=0, **COMMON)


def roll(number: int) -> Roll:
    return Roll(number=number, roll_id=f"R{number}", style="", start_mm=None, cause="command", t_utc_ns=0, **COMMON)


def event(number: int) -> SpanEvent:
    return SpanEvent(
        number=number, kind=EventKind.SEAM, action=EventAction.IGNORE, start_mm=number, end_mm=number + 1, roll_id="",
        cause="c", t_utc_ns=0, **COMMON,
    )  # fmt: skip


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr("pipeline.decision.backlog.MAX_UNCOMMITTED", 10)
    return Box(room=0)


def committed(first: int, last: int) -> Committed:
    return Committed(kind="Reject", generation=0, first=first, last=last)


def test_too_much_in_hand_is_a_fault_until_less_than_half_of_it_is(recorder: Box) -> None:
    backlog = Backlog(recorder)
    for number in range(9):
        backlog.add(reject(number), ())
    assert not backlog.overflows
    backlog.add(reject(9), ())
    assert backlog.overflows
    recorder.room = 99
    backlog.pass_on()
    assert backlog.overflows  # taken, and on no disk
    backlog.committed(committed(0, 4))
    assert backlog.overflows
    backlog.committed(committed(5, 5))
    assert not backlog.overflows and backlog.dropped == 0


def test_a_recorder_that_takes_again_ends_the_fault_of_those_that_waited(
    recorder: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.decision.backlog.FAULT", 4)
    backlog = Backlog(recorder)
    for number in range(4):
        backlog.add(reject(number), ())
    assert backlog.overflows
    recorder.room = 2
    backlog.pass_on()
    assert backlog.overflows
    recorder.room = 3
    backlog.pass_on()
    assert not backlog.overflows


@pytest.mark.parametrize("kind", [state, roll, event])
def test_the_few_that_matter_most_fall_out_last_and_are_counted(recorder: Box, kind: Any) -> None:
    backlog, records = Backlog(recorder), list[Message]()
    for number in range(12):
        backlog.add(reject(number), ())
    assert (len(backlog), backlog.dropped) == (10, 2)
    for number in range(13):
        backlog.add(kind(number), ())
    assert (len(backlog), backlog.dropped) == (20, 5)
    recorder.room = 99
    backlog.pass_on()
    records += [m for m, _ in recorder.queue]
    assert records == [*map(reject, range(10)), *map(kind, range(10))]
