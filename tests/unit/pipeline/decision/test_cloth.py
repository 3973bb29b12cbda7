"""Decision and the cloth: silence, gaps, reverse, cloth seen again, and when a verdict is due."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from pipeline.decision.cloth import ClothTerms
from pipeline.decision.gap import Gap
from pipeline.ledger.store import Ledger
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import SpanEvent
from pipeline.messages.frames import NO_TIME, Announced
from pipeline.messages.line import LineState
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Decided, Mark
from pipeline.messages.states import EventAction, EventKind, FrameStatus, Result, StageState, State
from pipeline.messages.values import Span
from pipeline.messages.verdicts import Verdict
from pipeline.report.roll import read_covered
from tests.decision_bench import MS, Bench, outcome


def test_silence_of_a_camera_while_the_web_moves() -> None:
    bench = Bench()
    bench.move(0.0)
    bench.announce(0)
    bench.score(0)
    assert [v.result for v in bench.verdicts()] == [Result.PASS]
    bench.move(50 + 50 + 12 + 25)  # one frame, a quarter of one, and 0.25 s at 100 mm/s
    assert bench.verdicts() == []
    bench.move(50 + 50 + 12.5 + 25 + 1)
    (silent,) = bench.verdicts()
    assert (silent.seq, silent.reason, silent.start_mm, silent.end_mm) == (None, Reason.NO_FRAME, 50, 100)
    bench.status("grabber", "c", StageState.DOWN)
    bench.move(300)
    (silent,) = bench.verdicts()
    assert (silent.reason, silent.start_mm, silent.end_mm) == (Reason.CAMERA_DOWN, 100, 250)


@pytest.mark.parametrize("short_mm", [2.0, 0.0])
def test_a_slab_cut_short_does_not_make_frames_due_more_often(short_mm: float) -> None:
    bench = Bench()
    bench.move(0.0)
    bench.announce(0)
    bench.score(0)
    bench.announce(1, end_mm=50 + short_mm, status=FrameStatus.DAMAGED, sent=False)
    bench.verdicts()
    bench.move(90.0, 10.0)
    assert bench.verdicts() == []


def test_frames_lost_in_a_span_that_was_already_silent_give_no_second_span() -> None:
    bench = Bench()
    bench.move(0.0)
    bench.announce(0)
    bench.score(0)
    bench.move(200.0)
    bench.decision.step(0)
    bench.announce(3, start_mm=150.0, lost=2)
    silent = [v for v in bench.verdicts() if v.seq is None]
    assert [(v.start_mm, v.end_mm, v.lost) for v in silent] == [(50, 150, 0), (150, 150, 2)]
    assert bench.air.take(Reject) == []  # 100 mm are within the tolerance


def test_a_frame_of_which_decision_never_heard_is_lost_not_forgotten() -> None:
    bench = Bench()
    bench.announce(2, start_mm=100.0)  # the first words of the camera's start did not come
    bench.announce(6, start_mm=300.0, lost=1)
    silent = [v for v in bench.verdicts() if v.seq is None]
    assert [(v.start_mm, v.end_mm, v.lost, v.boot_id) for v in silent] == [(100, 100, 2, "b"), (150, 300, 3, "b")]


def test_a_camera_that_goes_down_where_silence_cannot_be_measured_leaves_a_gap() -> None:
    bench = Bench()
    bench.announce(0)
    bench.score(0)
    assert bench.state().inspection_ok
    bench.air.take(Verdict)
    bench.status("grabber", "c", StageState.DOWN)
    bench.status("grabber", "c", StageState.DOWN)
    bench.status("grabber", "c", generation=1)
    (silent,) = bench.verdicts()
    assert (silent.reason, silent.start_mm) == (Reason.CAMERA_DOWN, None) and len(bench.air.take(Reject)) == 1
    assert [s.inspection_ok for s in bench.air.take(LineState)] == [False]
    bench.announce(0, start_mm=50.0, boot="b2")
    bench.score(0, boot="b2")
    assert bench.state().inspection_ok


def test_down_is_the_last_word_of_a_generation() -> None:
    bench = Bench()
    bench.status("worker", "worker", StageState.DOWN, detail="killed")
    bench.status("worker", "worker")  # was still on its way
    assert bench.state().state is State.DEGRADED
    bench.status("worker", "worker", generation=1)
    assert bench.state().state is State.READY


def test_a_web_at_rest_for_hours_is_healthy_and_resumes_without_a_fault() -> None:
    bench = Bench()
    bench.move(0.0)
    for seq in range(2):
        bench.announce(seq)
        bench.score(seq)
    bench.move(110.0)
    bench.verdicts()
    assert bench.air.take(LineState)[-1].state is State.RUNNING
    for hour in range(1, 9):
        bench.move(110.0, 0.0)
        assert bench.verdicts(hour * 3600 * 1000 * MS) == []
    state = bench.air.take(LineState)[-1]
    assert (state.state, state.inspection_ok) == (State.STOPPED, True)
    bench.move(105.0, -20.0)
    bench.move(151.0, 100.0)
    bench.decision.step(10**14)
    bench.announce(2)
    bench.score(2)
    assert [v.result for v in bench.verdicts(10**14)] == [Result.PASS]
    assert bench.air.take(LineState)[-1].state is State.RUNNING


def test_web_between_two_frames_is_a_silent_span() -> None:
    bench = Bench()
    bench.announce(0)
    bench.announce(3, start_mm=90.0, lost=2)
    bench.score(0)
    bench.score(3)
    got = bench.verdicts()
    spans = [(v.start_mm, v.end_mm, v.lost) for v in got if v.seq is None]
    assert spans == [(50, 90, 2)] and Counter(v.result for v in got)[Result.PASS] == 2


def test_uninspected_web_is_rejected_after_the_tolerance() -> None:
    bench = Bench()
    for seq in range(4):
        bench.announce(seq, sent=False)
    bench.decision.step(0)
    rejects = bench.air.take(Reject)
    assert [(r.cause, r.start_mm, r.end_mm) for r in rejects] == [
        (Result.NOT_INSPECTED, 0, 150),
        (Result.NOT_INSPECTED, 150, 200),
    ]
    bench.announce(4)
    bench.score(4)
    bench.announce(5, sent=False)
    bench.decision.step(0)
    assert bench.air.take(Reject) == []


def test_without_lengths_no_tolerance_can_be_measured() -> None:
    bench = Bench(frame_mm={"c": None})
    bench.inbox.send(Announced(camera="c", boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, sent=False, budget_ms=1.0))
    bench.decision.step(0)
    assert len(bench.air.take(Reject)) == 1
    assert bench.decision._totals(0).inspected_m is None


def test_a_gap_is_rejected_whole_and_then_span_by_span_in_any_order() -> None:
    gap = Gap(tolerate_mm=120)
    assert gap.missed(Span(50, 100)) is None and gap.open
    assert gap.missed(Span(100, 150)) is None
    assert gap.missed(Span(0, 50)) == Span(0, 150)  # an earlier frame ran out of time later
    assert gap.missed(Span(150, 200)) == Span(150, 200)
    gap.judged()
    assert not gap.open and gap.ever_judged
    assert gap.missed(Span(300, 350)) is None
    assert gap.missed(Span(None, None)) == Span(None, None)


def test_a_reverse_is_a_rescan_judged_and_told_but_adds_nothing() -> None:
    bench = Bench()
    for seq in range(4):
        bench.announce(seq)
        bench.score(seq)
    bench.move(200.0)
    bench.verdicts()
    metres = bench.decision._totals(0).inspected_m
    bench.move(150.0, -100.0)
    for seq, start_mm, value in [(4, 100.0, 0.9), (5, 50.0, 0.1), (6, 100.0, 0.9)]:
        bench.announce(seq, start_mm=start_mm)
        bench.score(seq, value)
    bench.announce(7, start_mm=150.0, sent=False)
    again = bench.verdicts()
    assert [(v.result, v.rescan) for v in again] == [
        (Result.DEFECT, True), (Result.PASS, True), (Result.DEFECT, True), (Result.NOT_INSPECTED, True),
    ]  # fmt: skip
    totals = bench.decision._totals(0)
    assert (totals.rescans, totals.inspected_m, totals.not_inspected_m, totals.rejects) == (4, metres, 0, 0)
    assert bench.air.take(Reject) == []
    bench.move(220.0)
    bench.announce(8, start_mm=180.0)  # half of it is new cloth
    bench.score(8, 0.9)
    (new,) = bench.verdicts()
    assert not new.rescan and len(bench.air.take(Reject)) == 1
    assert bench.decision._totals(0).inspected_m == pytest.approx(0.23)


def test_no_web_is_silent_while_it_runs_back_or_is_seen_again() -> None:
    bench = Bench()
    bench.move(0.0)
    for seq in range(4):
        bench.announce(seq)
        bench.score(seq)
    bench.verdicts()
    for position_mm, speed_mm_s in [(200.0, 0.0), (20.0, -300.0), (10.0, 0.0), (120.0, 300.0), (260.0, 100.0)]:
        bench.move(position_mm, speed_mm_s)
        assert bench.verdicts() == []
    bench.move(300.0, 10.0)  # new cloth, and the camera says nothing about it
    assert [(v.start_mm, v.end_mm, v.reason) for v in bench.verdicts()] == [(200, 250, Reason.NO_FRAME)]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_rescan_speaks_for_none_of_the_little_new_cloth_at_its_end(at_once: bool) -> None:
    bench = Bench()
    for seq, start_mm in enumerate((0.0, 50.0, 50.6, 101.0)):  # 50 mm each
        bench.announce(seq, start_mm=start_mm)
        if at_once:
            bench.score(seq)
            bench.decision.step(0)
    for seq in () if at_once else range(4):  # a worker that comes late
        bench.score(seq)
    told = [(v.start_mm, v.end_mm, v.rescan, v.reason) for v in bench.verdicts()]
    assert sorted(told) == [
        (0, 50, False, None), (50, 100, False, None), (50.6, 100.6, True, None),
        (100, 101, False, Reason.NO_FRAME), (101, 151, False, None),
    ]  # fmt: skip


def test_cloth_told_missing_was_not_seen_so_a_late_frame_of_it_is_no_rescan() -> None:
    bench = Bench()
    bench.move(0.0)
    bench.announce(0)
    bench.score(0)
    bench.move(300.0, 10.0)  # the camera is behind, and its cloth is told missing
    assert [v.reason for v in bench.verdicts()] == [None, Reason.NO_FRAME]
    bench.announce(1, start_mm=50.0)
    bench.score(1, 0.9)
    (late,) = bench.verdicts()
    assert (late.result, late.rescan) == (Result.DEFECT, False)
    assert bench.air.take(Reject)[-1].cause is Result.DEFECT


def test_cloth_that_was_lost_at_first_counts_when_it_comes_again_and_only_then(tmp_path: Path) -> None:
    bench = Bench(tolerate_not_inspected_mm=1000.0)
    for seq, (value, sent) in enumerate([(0.1, True), (0.1, False), (0.1, True), (0.9, True), (0.1, False)]):
        bench.announce(seq, sent=sent)
        bench.score(seq, value)
    bench.announce(5, start_mm=300.0)  # 250 to 300 mm nobody saw
    bench.score(5)
    bench.move(350.0)
    bench.verdicts()
    bench.air.take(Reject)
    totals = bench.decision._totals(0)
    assert (totals.inspected_m, totals.not_inspected_m) == (pytest.approx(0.2), pytest.approx(0.15))
    bench.move(350.0, -100.0)
    again = []
    passes = [(260.0, 0.1), (210.0, 0.1), (150.0, 0.9), (50.0, 0.9), (50.0, 0.9), (0.0, 0.1)]
    for seq, (start_mm, value) in enumerate(passes, 6):
        bench.announce(seq, start_mm=start_mm)
        bench.score(seq, value)
        again += [(v.start_mm, v.rescan) for v in bench.verdicts()]
    assert again == [(260, False), (210, False), (150, True), (50, False), (50, True), (0, True)]
    assert [r.start_mm for r in bench.air.take(Reject)] == [50]
    totals = bench.decision._totals(0)
    assert (totals.inspected_m, totals.not_inspected_m) == (pytest.approx(0.34), pytest.approx(0.01))  # 200 to 210 mm
    held = Ledger(tmp_path / "ledger.sqlite", {})
    for verdict in bench.recorder.take(Verdict):
        held.add(verdict.model_copy(update={"cells_shape": None}))
    held.close()
    metres = read_covered(held.path).metres
    assert metres is not None and (metres.inspected_mm, metres.not_inspected_mm) == (340, 10)


def test_a_web_that_trembles_at_rest_is_not_missed_again_and_again() -> None:
    bench = Bench()
    bench.announce(0)
    bench.score(0)
    for seq in range(1, 9):  # its camera goes on, and its worker does not keep up
        bench.announce(seq, start_mm=50.0 + seq / 10, sent=False)
    bench.decision.step(0)
    assert bench.air.take(Reject) == []  # 51 mm are within the tolerance
    bench.announce(9, start_mm=50.0)
    bench.announce(10, start_mm=50.5)
    for seq in (9, 10):
        bench.score(seq)
    assert [v.rescan for v in bench.verdicts() if v.seq in (9, 10)] == [False, True]


def test_the_high_water_mark_outlives_a_restart_of_decision() -> None:
    bench = Bench()
    for seq in range(3):
        bench.announce(seq, start_mm=500.0 + 50 * seq)
        bench.decision.step(0)
    bench.score(0)
    bench.score(2)
    bench.decision.step(0)
    kept = bench.decision.kept  # frame 1 is pending: should it be lost, it is found missing
    assert kept == Decided(cameras={"c": Mark(mm=550, t_mono_ns=0, boot_id="b", next_seq=3, undecided=1)}, verdicts=2)
    again = Bench(decided=kept)
    again.announce(0, start_mm=450.0, boot="b2")
    again.score(0, boot="b2")
    lost, verdict = again.verdicts()
    assert (lost.seq, lost.lost, verdict.rescan) == (None, 1, True)


def test_a_seam_told_of_before_a_restart_is_one_after_it() -> None:
    seam = SpanEvent(
        number=4, generation=2, kind=EventKind.SEAM, action=EventAction.IGNORE, start_mm=90, end_mm=160, roll_id="",
        cause="command", t_mono_ns=0, t_utc_ns=0,
    )  # fmt: skip
    bench = Bench(cloth=ClothTerms(events=(seam,)))
    for seq in range(4):
        bench.announce(seq)
        bench.score(seq, 0.9)
    assert [v.event for v in bench.verdicts()] == [None, None, EventKind.SEAM, None]
    assert len(bench.air.take(Reject)) == 3 and bench.air.take(SpanEvent) == []  # it is on record already


def test_rows_astray_are_never_taken_for_cloth_seen_before() -> None:
    bench = Bench()
    bench.announce(0)
    bench.announce(1, start_mm=50.0, end_mm=50.0, status=FrameStatus.DAMAGED, sent=False, error="40 rows are 20 mm")
    (damaged,) = bench.verdicts()
    assert (damaged.reason, damaged.rescan) == (Reason.DAMAGED, False)
    assert not bench.state().inspection_ok


def test_with_an_actuator_a_verdict_is_due_when_the_first_row_is_there() -> None:
    bench = Bench(actuator_mm={"c": 300.0})
    bench.announce(0, start_mm=50.0, budget_ms=1000.0)  # due at 350 mm
    bench.move(100.0, 1000.0)
    assert bench.verdicts(0) == []
    bench.move(349.0, 1000.0, now_ns=240 * MS)
    assert bench.verdicts(240 * MS) == []
    assert [outcome(v) for v in bench.verdicts(241 * MS)] == [(0, Result.NOT_INSPECTED, Reason.NO_SCORE)]


def test_with_an_actuator_time_stands_while_the_cloth_does_and_runs_out_while_it_moves() -> None:
    bench = Bench(actuator_mm={"c": 300.0})
    bench.announce(0, start_mm=50.0)  # 100 ms
    for now_ms in range(0, 2_000, 100):
        bench.move(100.0, 0.0, now_ns=now_ms * MS)
        assert bench.verdicts(now_ms * MS) == []
    bench.move(100.0, 1.0, now_ns=2_000 * MS)
    assert bench.verdicts(2_000 * MS) == []
    assert bench.verdicts(2_099 * MS) == []
    assert [outcome(v) for v in bench.verdicts(2_101 * MS)] == [(0, Result.NOT_INSPECTED, Reason.NO_SCORE)]


def test_a_frame_that_the_worker_gave_up_waits_no_longer_also_on_cloth_that_stands() -> None:
    bench = Bench(actuator_mm={"c": 300.0})
    bench.announce(0, start_mm=50.0)
    for now_ms in range(0, 500, 100):
        bench.move(100.0, 0.0, now_ns=now_ms * MS)
        assert bench.verdicts(now_ms * MS) == []
    bench.score(0, value=math.nan, fault=NO_TIME)
    (verdict,) = bench.verdicts(500 * MS)
    assert (*outcome(verdict), verdict.detail) == (0, Result.NOT_INSPECTED, Reason.NO_SCORE, NO_TIME)
    assert bench.decision.waiting == len(bench.decision._backlog)
    bench.announce(1, start_mm=100.0, budget_ms=10.0)
    bench.decision.step(520 * MS)
    bench.move(100.0, 1.0, now_ns=520 * MS)
    assert [v.seq for v in bench.verdicts(600 * MS)] == [1]
    bench.score(1, value=math.nan, fault=NO_TIME)
    bench.decision.step(610 * MS)
    assert bench.decision._totals(0).late_scores == 0  # it never was a score


def test_so_many_frames_wait_at_most_however_long_the_cloth_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.decision.matching.MAX_WAITING", 5)
    bench = Bench(actuator_mm={"c": 1e6})
    told = []
    for seq in range(20):
        bench.move(100.0, 0.0, now_ns=50 * seq * MS)
        bench.announce(seq)
        told += bench.verdicts(50 * seq * MS)
        assert len(bench.decision._matching) == min(seq + 1, 5)
    assert [outcome(v) for v in told if v.seq is not None] == [(n, Result.NOT_INSPECTED, Reason.NO_SCORE) for n in range(15)]
