"""What waits for the recorder is bounded for every kind of record, and too much of it is a fault until half of it is safe."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.decision.backlog import PICTURES, Backlog
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.record import Committed
from pipeline.messages.states import EventAction, EventKind, Result, State
from pipeline.messages.verdicts import Verdict
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


def test_of_those_that_wait_only_the_first_keep_their_pictures() -> None:
    recorder = Box(room=0)
    backlog = Backlog(recorder)
    verdict = Verdict(
        number=0, generation=0, camera="c", boot_id="b", seq=0, result=Result.DEFECT, frame_shape=(8, 16), cells_shape=(1, 2),
        t_mono_ns=0, t_utc_ns=0,
    )  # fmt: skip
    for number in range(PICTURES + 20):
        backlog.add(verdict.model_copy(update={"number": number}), (bytes(8), bytes(128)))
    recorder.room = 1000
    backlog.pass_on()
    pictured = [(m.number, bool(payloads)) for m, payloads in recorder.queue if isinstance(m, Verdict)]
    assert pictured == [(n, n <= PICTURES) for n in range(PICTURES + 20)]


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


def taken(recorder: Box) -> list[tuple[str, int]]:
    """Kind and number of what the recorder was sent since it was last asked."""
    sent = [(type(m).__name__, m.number) for m, _ in recorder.queue]  # type: ignore[attr-defined]
    recorder.queue.clear()
    return sent


def safe(kind: str, first: int, last: int, generation: int = 0) -> Committed:
    return Committed.model_validate({"kind": kind, "generation": generation, "first": first, "last": last})


def test_what_went_before_its_like_and_is_not_committed_with_it_is_sent_again_once(recorder: Box) -> None:
    recorder.room = 99
    backlog = Backlog(recorder)
    for number in range(5):
        backlog.add(reject(number), ())
    backlog.add(state(0), ())
    backlog.pass_on()
    taken(recorder)
    backlog.committed(safe("Reject", 0, 1))
    backlog.committed(safe("LineState", 0, 0))  # of another kind: those still to come may be in the same commit
    backlog.pass_on()
    assert taken(recorder) == []
    backlog.committed(safe("Reject", 3, 3))  # 2 was lost; 4 may be under way
    backlog.pass_on()
    assert taken(recorder) == [("Reject", 2)]
    backlog.committed(safe("Reject", 4, 4))  # it went before 2 was sent again
    backlog.pass_on()
    assert taken(recorder) == []
    backlog.committed(safe("Reject", 2, 2))
    backlog.send_uncommitted_again()
    assert not backlog


def test_another_generation_says_nothing_of_this_one(recorder: Box) -> None:
    recorder.room = 99
    backlog = Backlog(recorder)
    backlog.add(reject(0), ())
    backlog.add(reject(1).model_copy(update={"generation": 1}), ())
    backlog.pass_on()
    taken(recorder)
    backlog.committed(safe("Reject", 1, 1, generation=1))
    backlog.pass_on()
    assert taken(recorder) == []


def test_at_the_end_all_that_is_not_known_to_be_safe_goes_once_more(recorder: Box) -> None:
    recorder.room = 99
    backlog = Backlog(recorder)
    for number in range(4):
        backlog.add(reject(number), ())
    backlog.pass_on()
    taken(recorder)
    backlog.committed(safe("Reject", 0, 2))
    backlog.send_uncommitted_again()
    backlog.pass_on()
    assert taken(recorder) == [("Reject", 3)]
