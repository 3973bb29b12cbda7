"""The cloth: rolls and events by place, so that every frame has one roll whatever the order of words."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cloth.rolls import Rolls, counted_on
from pipeline.config.styles import EventsConfig, StyleConfig
from pipeline.decision.cloth import ClothTerms
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.commands import MarkEvent, RollStart
from pipeline.messages.states import EventAction, EventKind, Result
from pipeline.messages.verdicts import Verdict
from tests.decision_bench import Bench
from tools.cli import main


@pytest.mark.parametrize(
    ("roll_id", "next_id"),
    [
        ("R-0009", "R-0010"),
        ("99", "100"),
        ("blue", "blue-2"),
        ("a1b", "a1b-2"),
        ("x-1-7", "x-1-8"),
        ("9" * 64, "0" * 64),
        ("b" * 64, "b" * 62 + "-2"),
        ("b" * 63 + "9", "b" * 62 + "10"),
    ],
)
def test_rolls_are_counted_on(roll_id: str, next_id: str) -> None:
    assert counted_on(roll_id) == next_id


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20, unique=True).map(sorted), st.integers(-10, 1010))
def test_a_place_is_on_the_roll_that_began_last_before_it(starts: list[int], place: int) -> None:
    rolls = Rolls("first", "", 1e9)
    for start in starts:
        rolls.begin(f"at {start}", "", float(start))
    before = [start for start in starts if start <= place]
    assert rolls.at(place - 5, place + 5).roll_id == (f"at {before[-1]}" if before else "first")


def test_a_roll_that_never_ends_is_ended_by_its_length() -> None:
    rolls = Rolls("R9", "s", 100.0)
    placed = rolls.reached(1000.0)
    assert placed is not None and placed.start_mm == 1000 and rolls.reached(1099.0) is None
    found = [rolls.reached(1350.0) for _ in range(4)]
    assert [(r.roll_id, r.style, r.start_mm) for r in found if r] == [
        ("R10", "s", 1100),
        ("R11", "s", 1200),
        ("R12", "s", 1300),
    ]
    rolls.begin("", "", 1310.0)
    assert rolls.reached(9999.0) is None  # between rolls nothing is counted


def test_a_jump_over_more_rolls_than_anybody_asks_for_tells_the_last_of_them() -> None:
    rolls = Rolls("R7", "s", 10.0, 0.0)
    told = []
    while (roll := rolls.reached(1e9 + 5)) is not None:
        told.append((roll.roll_id, roll.start_mm))
    assert len(told) <= 33 and told[-1] == ("R100000007", 1e9)


def run(bench: Bench, seq: int, value: float = 0.1, lane: int = 0) -> Verdict:
    bench.announce(seq)
    bench.score(seq, value, lane=lane)
    (verdict,) = bench.verdicts()
    return verdict


def test_a_roll_begins_where_the_web_is_and_frames_before_it_belong_to_the_old_one() -> None:
    bench = Bench(cloth=ClothTerms("A1", "plain", styles=("", "plain", "twill")))
    bench.move(0.0)
    assert run(bench, 0).roll_id == "A1"
    bench.announce(1)
    bench.move(100.0)
    bench.inbox.send(RollStart(roll_id="B1", style="twill"))
    bench.announce(2)
    for seq in (2, 1):
        bench.score(seq)
    assert {v.seq: (v.roll_id, v.style) for v in bench.verdicts()} == {1: ("A1", "plain"), 2: ("B1", "twill")}
    bench.inbox.send(RollStart(at_mm=150.0))
    assert run(bench, 3).roll_id == ""
    told = bench.air.take(Roll)
    assert [(r.roll_id, r.start_mm, r.cause) for r in told] == [
        ("A1", 0, "config"),
        ("B1", 100, "command"),
        ("", 150, "command"),
    ]
    assert bench.recorder.take(Roll) == told


def test_silent_web_belongs_to_a_roll_too_and_without_motion_the_frames_place_it() -> None:
    bench = Bench(cloth=ClothTerms("A1", roll_length_mm=60.0))
    assert run(bench, 0).roll_id == "A1"
    bench.announce(3)
    assert [(v.start_mm, v.roll_id) for v in bench.verdicts()] == [(50, "A2")]


@pytest.mark.parametrize(("action", "rejects"), [(EventAction.IGNORE, 0), (EventAction.RECORD, 0), (EventAction.GRADE, 1)])
def test_a_defect_in_a_seam_is_told_and_what_becomes_of_it_is_configured(action: EventAction, rejects: int) -> None:
    rules = EventsConfig(SEAM=action)
    bench = Bench(cloth=ClothTerms(style_of=lambda style: StyleConfig(events=rules)))
    run(bench, 0)
    bench.inbox.send(MarkEvent(kind=EventKind.SEAM, at_mm=45.0, length_mm=30.0))
    inside = run(bench, 1, 0.9)  # its region lies at 62 to 66 mm
    assert (inside.result, inside.event, inside.action) == (Result.DEFECT, EventKind.SEAM, action)
    assert len(bench.air.take(Reject)) == rejects
    (told,) = bench.air.take(SpanEvent)
    assert (told.start_mm, told.end_mm, told.action, told.cause) == (45, 75, action, "command")
    outside = run(bench, 2, 0.9)
    assert outside.event is None and len(bench.air.take(Reject)) == 1


def test_a_full_width_defect_is_the_event_that_the_style_says() -> None:
    rules = EventsConfig(transverse=EventKind.SEAM, transverse_most_mm=10.0)
    bench = Bench(cloth=ClothTerms(style_of=lambda style: StyleConfig(events=rules)))
    bench.announce(0)
    bench.score(0, 0.9)  # one lane only
    (defect,) = bench.verdicts()
    assert defect.event is None and bench.air.take(SpanEvent) == []
    bench.announce(1)
    bench.score_full_width(1)
    (seam,) = bench.verdicts()
    assert (seam.result, seam.event, seam.action) == (Result.DEFECT, EventKind.SEAM, EventAction.RECORD)
    (told,) = bench.air.take(SpanEvent)
    assert (told.start_mm, told.end_mm, told.cause) == (62, 66, "c")
    assert len(bench.air.take(Reject)) == 1  # of the first


@pytest.mark.parametrize(
    ("rows", "columns", "span"),
    [
        ([3], 20, (62, 66)),
        ([3, 5], 20, (62, 74)),  # with specks below it, more than a verdict lists
        ([0, 7], 20, None),  # longer than a seam
        ([3], 12, None),  # a lane is free
    ],
)
def test_the_rule_of_the_full_width_counts_all_that_is_above_the_threshold(
    rows: list[int], columns: int, span: tuple[float, float] | None
) -> None:
    rules = EventsConfig(transverse=EventKind.SEAM, transverse_most_mm=20.0)
    bench = Bench(cloth=ClothTerms(style_of=lambda style: StyleConfig(events=rules)))
    cells = np.zeros((8, 20), "<f4")
    cells[rows[0], :columns] = 0.9
    cells[rows[1:], :columns:2] = 0.8
    bench.announce(0, start_mm=50.0)
    bench.score_cells(0, cells)
    (verdict,) = bench.verdicts()
    told = [(e.start_mm, e.end_mm) for e in bench.air.take(SpanEvent)]
    assert told == ([] if span is None else [span])
    assert verdict.event is (None if span is None else EventKind.SEAM)
    assert verdict.regions_total == 1 + 10 * len(rows[1:])


def test_a_style_has_rules_of_its_own() -> None:
    rules = {"": EventsConfig(), "velvet": EventsConfig(LEAD=EventAction.GRADE)}
    bench = Bench(cloth=ClothTerms(style_of=lambda style: StyleConfig(events=rules[style]), styles=("", "velvet")))
    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="V1", style="velvet", at_mm=100.0))
    bench.inbox.send(MarkEvent(kind=EventKind.LEAD, at_mm=0.0, length_mm=10.0))
    bench.inbox.send(MarkEvent(kind=EventKind.LEAD, at_mm=100.0, length_mm=10.0))
    bench.decision.step(0)
    assert [e.action for e in bench.air.take(SpanEvent)] == [EventAction.IGNORE, EventAction.GRADE]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["roll", "start", "R1"], "no such line runs, line"),
        (["roll", "start", "R1", "--style", "silk"], "no such style silk"),
        (["roll", "start", "R1", "--style", "silk"], "choose one of twill"),
        (["roll", "start", ""], "a roll's name of 0 characters"),
        (["roll", "start", "R" * 65], "a roll's name of 65 characters, ID, give 1 to 64"),
        (["roll", "start", "R\x1b1"], "all of them printable"),
        (["roll", "start", "R\udcff1"], "all of them printable"),
        (["roll", "start", "R1", "--at-mm", "nan"], "a place of nan mm, --at-mm, give one within 20000 m of the cloth"),
        (["roll", "end", "--at-mm=-1e13"], "a place of -1e+13 mm"),
        (["event", "SEAM", "--at-mm", "inf"], "a place of inf mm"),
        (["event", "SEAM", "--length-mm", "-1"], "--length-mm"),
        (["event", "SEAM", "--length-mm", "inf"], "a length of inf mm, --length-mm, give one above 0 and up to 50000"),
        (["event", "LEAD", "--length-mm", "50001"], "up to 50000, decision.longest_event_m"),
        (["event", "SEAM", "--length-mm", "nan"], "a length of nan mm"),
        (["event", "KNOT"], "invalid choice"),
        (["bypass", "on"], "no such line runs"),
    ],
)
def test_what_cannot_be_told_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    config = tmp_path / "line.yaml"
    config.write_text("styles: {twill: {}}\n")
    try:
        code = main(["tell", str(config), *words])
    except SystemExit as e:  # argparse's own refusal
        code = int(e.code or 0)
    error = capsys.readouterr().err
    assert code == 2 and expected in error and error.count("\n") == 1


def test_whoever_joins_late_hears_the_present_roll() -> None:
    bench = Bench(cloth=ClothTerms("A1"))
    bench.move(0.0)
    bench.decision.step(0)
    told = bench.air.take(Roll)
    bench.air.newcomer = True
    bench.decision.step(0)
    assert len(told) == 1 and bench.air.take(Roll) == told
    bench.decision.step(0)
    assert bench.air.take(Roll) == []


def test_a_restarted_decision_goes_on_with_the_roll_and_tells_it_again() -> None:
    bench = Bench(cloth=ClothTerms("B1", "twill", start_mm=100.0))
    bench.announce(4)
    bench.score(4)
    assert [(v.roll_id, v.style) for v in bench.verdicts() if v.seq is not None] == [("B1", "twill")]
    assert [(r.roll_id, r.start_mm, r.cause) for r in bench.air.take(Roll)] == [("B1", 100, "restart")]
