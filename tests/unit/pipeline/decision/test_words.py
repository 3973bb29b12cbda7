"""What a line that runs can be told: words have bounds, a refusal says them, and an answer is of the word that asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.inputs import ContactConfig
from pipeline.config.styles import EventsConfig, StyleConfig
from pipeline.decision.cloth import ClothTerms
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import Alignment, Contact, Roll, SpanEvent
from pipeline.messages.commands import Acknowledge, Answer, Bypass, Command, MarkEvent, Reset, RollStart
from pipeline.messages.frames import Announced
from pipeline.messages.line import Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.motion import Motion
from pipeline.messages.states import EventAction, EventKind, MotionState, StageState, State
from tests.decision_bench import MS, Bench

SEAM = ContactConfig(name="seam", address=0, says=EventKind.SEAM, length_mm=40.0)
TERMS = ClothTerms("R-1", "twill", 5000.0, styles=("", "twill", "satin"), longest_event_mm=800.0, contacts={"seam": SEAM})


def bench_at(position_mm: float = 10_000.0, **facts: Any) -> Bench:
    bench = Bench(cloth=TERMS, **facts)
    bench.move(position_mm)
    bench.decision.step(0)
    bench.air.queue.clear()
    return bench


def tell(bench: Bench, *words: Command) -> list[tuple[str, str]]:
    """The answers, by their tickets."""
    for n, word in enumerate(words):
        bench.inbox.send(word.model_copy(update={"ticket": f"t{n}"}))
    for _ in words:
        bench.decision.step(0)
    return [(m.ticket, m.refused) for m, _ in bench.air.queue if isinstance(m, Answer)]


def mark(**facts: Any) -> MarkEvent:
    return MarkEvent.model_validate({"kind": "SEAM", "length_mm": 100.0} | facts)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (mark(length_mm=800.1), "800.1 mm is over decision.longest_event_m, 800 mm"),
        (mark(at_mm=15_001.0), "15001 mm is over a roll's length from the cloth, 5000 to 15000 mm are allowed"),
        (mark(at_mm=4_999.0), "5000 to 15000 mm are allowed"),
        (RollStart(roll_id="R-2", at_mm=15_001.0), "5000 to 15000 mm are allowed"),
        (RollStart(at_mm=4_999.0), "5000 to 15000 mm are allowed"),
        (RollStart(roll_id="R-2", style="silk"), "no such style silk, choose one of twill, satin"),
        (RollStart(at_mm=10_000.0), "roll R-1 began at 10000 mm, it ends after that"),
        (Acknowledge(event=7), "no event 7 is open"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed_and_changes_nothing(word: Command, why: str) -> None:
    bench = bench_at()
    ((_, refused),) = tell(bench, word)
    assert why in refused
    assert bench.air.take(Roll) == bench.air.take(SpanEvent) == []
    assert bench.inbox.refused.by_sender == {}, "it was answered"


def test_a_refused_word_that_nobody_waits_for_is_counted_and_an_event_may_be_acknowledged_by_two() -> None:
    bench = bench_at()
    for word in (mark(length_mm=800.1), Acknowledge(event=7)):
        bench.inbox.send(word)
        bench.decision.step(0)
    assert bench.inbox.refused.by_sender == {"MarkEvent": 1}


@pytest.mark.parametrize(
    "word",
    [
        mark(length_mm=800.0), mark(at_mm=15_000.0), mark(at_mm=5_000.0), RollStart(roll_id="R-2", at_mm=5_000.0),
        RollStart(roll_id="R-2", at_mm=15_000.0, style="satin"), RollStart(roll_id="R-2", style=""), RollStart(),
        Acknowledge(), Bypass(on=True), Reset(),
    ],
)  # fmt: skip
def test_what_somebody_can_mean_is_done(word: Command) -> None:
    assert tell(bench_at(), RollStart(roll_id="R-0", at_mm=9_000.0), word)[1] == ("t1", "")


def test_a_place_needs_cloth_that_is_somewhere() -> None:
    bench = Bench(cloth=TERMS)
    (_, at), (_, here), (_, roll) = tell(bench, RollStart(roll_id="R-2", at_mm=0.0), mark(), RollStart(roll_id="R-2"))
    assert at == "nobody knows yet where the cloth is, leave the place out" and roll == ""
    assert here == "nobody knows yet where the cloth is, tell it once the cloth runs"
    assert tell(Bench(cloth=TERMS), mark(at_mm=5.0)) == [("t0", here)]


def test_no_roll_ends_twice() -> None:
    bench = bench_at()
    bench.move(11_000.0)
    assert [why for _, why in tell(bench, RollStart(), RollStart(), RollStart())] == [
        "", "no roll runs that could end", "no roll runs that could end",
    ]  # fmt: skip
    assert [r.roll_id for r in bench.air.take(Roll)] == [""]


def test_a_second_roll_of_one_name_is_refused_where_the_first_has_no_place_too() -> None:
    bench = Bench(cloth=TERMS)
    words = [RollStart(roll_id=name) for name in ("R-1", "R-2", "R-2")]
    assert [why for _, why in tell(bench, *words)] == [
        "roll R-1 has begun already, choose another name", "", "roll R-2 has begun already, choose another name",
    ]  # fmt: skip


def test_a_second_roll_of_one_name_is_refused() -> None:
    bench = bench_at()
    bench.move(11_000.0)
    words = [RollStart(roll_id="R-2"), RollStart(roll_id="R-1"), RollStart(roll_id="R-2", at_mm=10_900.0)]
    told = [why for _, why in tell(bench, *words)]
    assert told[0] == "" and told[1].startswith("roll R-1 began at 10000 mm already, choose another name")
    assert told[2] == "", "its own beginning, put right"
    assert [(r.roll_id, r.start_mm) for r in bench.air.take(Roll)] == [("R-2", 11_000), ("R-2", 10_900)]


def test_an_answer_follows_the_state_that_its_own_word_made() -> None:
    bench = bench_at()
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
    tell(bench, RollStart(roll_id="R-2"), RollStart(roll_id="R-3"), mark(), Bypass(on=True), Bypass(on=False), Reset())
    kinds = Roll | SpanEvent | Heartbeat | Answer
    said = [m for m, _ in bench.air.queue if isinstance(m, kinds)]
    before: list[Message] = [said[i - 1] for i, m in enumerate(said) if isinstance(m, Answer)]
    assert all(isinstance(m, Heartbeat) for m in before)
    rolls = [[r.roll_id for r in said[:i] if isinstance(r, Roll)][-1] for i, m in enumerate(said) if isinstance(m, Answer)]
    assert rolls == ["R-2", *["R-3"] * 5]
    assert [m.bypass for m in before if isinstance(m, Heartbeat)] == [False] * 3 + [True, False, False]
    answers = bench.air.take(Answer)
    assert [(a.number, a.ticket) for a in answers] == [(n, f"t{n}") for n in range(6)]
    assert answers[-1].refused == "the cause of its fault is still there: recorder: disk full"


def test_a_word_without_a_ticket_is_done_and_not_answered() -> None:
    bench = bench_at()
    bench.inbox.send(RollStart(roll_id="R-2"))
    bench.decision.step(0)
    assert bench.air.take(Answer) == [] and bench.air.take(Roll)[0].roll_id == "R-2"


def test_a_line_that_observes_does_not_give_rejects() -> None:
    ((_, refused),) = tell(bench_at(observe=True), Bypass(on=False))
    assert refused == "the line observes: rejects stay set aside"


@pytest.mark.parametrize(("name", "ago_ms", "events"), [("seam", 59_000, 1), ("seam", 61_000, 0), ("knot", 0, 0)])
def test_a_contact_of_long_ago_or_of_nobody_is_counted_and_left_out(name: str, ago_ms: int, events: int) -> None:
    bench = Bench(cloth=TERMS)
    bench.move(10_000.0, now_ns=100_000 * MS)
    bench.inbox.send(Contact(name=name, t_mono_ns=(100_000 - ago_ms) * MS))
    bench.decision.step(100_000 * MS)
    assert len(bench.air.take(SpanEvent)) == events
    assert bench.inbox.refused.by_sender == ({} if events else {name: 1})


@pytest.mark.parametrize(("action", "shown"), [(EventAction.RECORD, True), (EventAction.GRADE, False)])
def test_an_event_in_which_nothing_is_rejected_is_told_as_long_as_it_is_under_a_camera(
    action: EventAction, shown: bool
) -> None:
    rules = EventsConfig(SEAM=action)
    bench = Bench(("c", "d"), cloth=ClothTerms(style_of=lambda style: StyleConfig(events=rules)), y_offset_mm={"d": -300.0})
    bench.move(1000.0, 0.0)
    tell(bench, mark(length_mm=200.0))
    details = []
    for position_mm in (1000.0, 1200.0, 1500.0, 1501.0):  # the second camera sees it 300 mm later
        bench.move(position_mm, 0.0)
        bench.decision.step(0)
        details.append(bench.decision._shown)
    assert [d[2] for d in details if d] == [
        "the cloth is at rest; no rejects in SEAM up to 1.200 m" if shown and n < 3 else "the cloth is at rest"
        for n in range(4)
    ]
    assert all(isinstance(s, LineState) and s.state is State.STOPPED for s in bench.air.take(LineState)[1:])


def test_rejects_come_again_where_the_longest_event_ends() -> None:
    bench = bench_at(0.0)
    tell(bench, mark(length_mm=800.0))
    for seq in range(20):
        bench.announce(seq)
        bench.score(seq, 0.9)
    bench.decision.step(0)
    assert min(r.start_mm for r in bench.air.take(Reject) if r.start_mm is not None) == 800


@pytest.mark.parametrize(
    "message",
    [
        Announced(camera="nobody", boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, sent=True, budget_ms=1.0),
        Alignment(number=0, generation=0, left="nobody", right="c", place_mm=0, across_mm=9, along_mm=9, fit=1, t_mono_ns=0),
        Heartbeat(number=0, generation=0, state=State.READY, inspection_ok=True, verdicts=0, t_mono_ns=0),
    ],
)
def test_what_is_none_of_this_lines_is_counted_by_its_sender(message: Message) -> None:
    bench = bench_at()
    bench.inbox.send(message)
    bench.status("output", "nobody", StageState.FAULT)
    bench.decision.step(0)
    assert all(s.state is not State.FAULT for s in bench.air.take(LineState))
    assert bench.decision.counters == bench.inbox.refused.counters
    assert sum(bench.decision.counters.values()) == 2 and bench.decision.counters["refused nobody"] >= 1


def test_motion_that_jumps_beyond_all_cloth_ends_no_line() -> None:
    bench = bench_at()
    for position_mm in (1e12, -1e12, 0.0):
        bench.inbox.send(Motion(position_mm=position_mm, speed_mm_s=9e4, state=MotionState.MOVING, source="u", t_mono_ns=0))
        bench.announce(int(abs(position_mm)), start_mm=position_mm)
    bench.decision.step(1 << 62)
    assert len(bench.air.take(Roll)) < 100 and bench.air.take(Totals)


def test_without_motion_offsets_count_from_what_the_furthest_camera_told_less_its_own() -> None:
    seam = SEAM.model_copy(update={"y_offset_mm": 300.0})
    cloth = ClothTerms("R-1", "twill", 5000.0, contacts={"seam": seam})
    bench = Bench(("c", "d"), cloth=cloth, y_offset_mm={"c": 300.0, "d": 500.0})
    for camera, start_mm in (("c", 300.0), ("d", 500.0)):
        bench.announce(0, camera, start_mm=start_mm)  # both to 50 mm
        bench.score(0, camera=camera)
    bench.inbox.send(Contact(name="seam", t_mono_ns=0))
    bench.decision.step(0)
    (event,) = bench.air.take(SpanEvent)
    assert (event.start_mm, event.end_mm) == (350, 390)
    assert bench.air.take(LineState)[-1].detail == "no rejects in SEAM up to 0.390 m"
    for seq in range(1, 3):  # on to 150 mm, beneath the seam and beyond it
        bench.announce(seq, "c", start_mm=300.0 + 50 * seq)
        bench.announce(seq, "d", start_mm=500.0 + 50 * seq)
        for camera in "cd":
            bench.score(seq, camera=camera)
    assert bench.state().detail == ""
