"""Decision and the line: states, faults, bypass, actions, the recorder, drift and other cloth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calibration.threshold import GoodLook
from pipeline.config.actions import DefectAction, DriftAction, FaultAction
from pipeline.config.styles import EventsConfig, StyleConfig
from pipeline.decision.actions import Actions
from pipeline.decision.cloth import ClothTerms
from pipeline.decision.drift import BASE, RECENT
from pipeline.decision.line_state import Roster, line_state
from pipeline.messages.actions import Action, Reject
from pipeline.messages.commands import Acknowledge, Answer, Bypass, Reset, RollStart
from pipeline.messages.line import Heartbeat, LineState, Totals
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Status
from pipeline.messages.states import ActionKind, Cause, EventKind, Phase, Result, StageState, State
from pipeline.messages.verdicts import Verdict
from tests.decision_bench import LANES, MS, STANDARD, Bench, outcome


def test_states_from_start_to_bypass() -> None:
    bench = Bench(cameras=("a", "b"), ready=False)
    assert bench.state().state is State.STARTING
    bench.status("worker", "worker")
    bench.status("grabber", "a")
    assert "b" in bench.state().detail
    bench.status("grabber", "b")
    assert bench.state().state is State.READY
    bench.announce(0, "a")
    bench.score(0, camera="a")
    state = bench.state()
    assert (state.state, state.inspection_ok) == (State.RUNNING, False)  # b has judged nothing yet
    bench.announce(0, "b")
    bench.score(0, camera="b")
    assert bench.state().inspection_ok
    bench.move(0.0)
    bench.status("grabber", "a", StageState.DOWN, detail="unplugged")
    state = bench.state()
    assert (state.state, state.inspection_ok) == (State.DEGRADED, False) and "unplugged" in state.detail
    bench.status("grabber", "a", generation=1)
    assert bench.state().state is State.RUNNING
    bench.status("grabber", "a", StageState.DOWN, generation=0)  # an old word changes nothing
    bench.announce(1, "a", sent=False)
    state = bench.state()
    assert (state.state, state.inspection_ok) == (State.DEGRADED, False)
    bench.inbox.send(Bypass(on=True))
    assert bench.state().state is State.BYPASS
    bench.announce(2, "a")
    bench.score(2, 0.9, camera="a")
    bench.decision.step(0)
    assert bench.air.take(Reject) == [] and bench.decision._totals(0).rejects_inhibited == 1


@pytest.mark.parametrize("lost", ["a PLC", "all cameras but one", "bypass"])
def test_other_cloth_is_told_whatever_else_is_wrong(lost: str) -> None:
    roster = Roster(("a", "b"), (("output", "plc"),))
    heard = (("worker", "worker"), ("grabber", "a"), ("grabber", "b"))
    for role, name in heard[:2] if lost == "all cameras but one" else heard:
        roster.hear(Status(role=role, name=name, generation=0, state=StageState.READY))
    if lost == "a PLC":
        roster.hear(Status(role="output", name="plc", generation=0, state=StageState.DEGRADED, detail="not connected"))
    state, ok, detail = line_state(roster, None, 9, True, False, lost == "bypass", "", "a: darker by 30")
    assert not ok and state is not State.RUNNING and detail.startswith("not the cloth of the card: a: darker by 30; ")
    assert ("waiting for b" in detail) == (lost == "all cameras but one")


def test_a_recorder_that_cannot_write_is_a_fault_without_pass() -> None:
    bench = Bench()
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
    bench.announce(0)
    bench.score(0)
    bench.announce(1)
    bench.score(1, 0.9)
    assert [outcome(v) for v in bench.verdicts()] == [
        (0, Result.NOT_INSPECTED, Reason.NOT_READY),
        (1, Result.DEFECT, None),
    ]
    assert bench.air.take(LineState)[-1].state is State.FAULT


def test_before_the_encoder_s_first_word_nothing_passes_and_then_it_does_without_a_reset() -> None:
    bench = Bench(motion=True)
    for seq in (0, 1):
        bench.announce(seq)  # the first one is sooner than any word of the motion stage
        bench.score(seq)
        assert [outcome(v) for v in bench.verdicts()] == [(seq, Result.NOT_INSPECTED, Reason.NOT_READY)]
        bench.status("motion", "motion", StageState.DEGRADED, detail="no count yet")
    state = bench.state()
    assert (state.state, state.inspection_ok) == (State.DEGRADED, False)
    assert state.detail == "cloth passes that is not inspected; motion: no count yet"
    bench.status("motion", "motion")
    bench.move(100.0)
    bench.announce(2)
    bench.score(2)
    assert [v.result for v in bench.verdicts()] == [Result.PASS]


def test_nothing_passes_while_motion_says_nothing_any_more_and_then_it_does_without_a_reset() -> None:
    bench = Bench(motion=True)
    for seq, now_ms in ((0, 0), (30, 1500), (31, 1600)):
        if seq != 30:
            bench.move(50.0 * seq, 100.0, now_ns=now_ms * MS)
        while bench.decision._now_ns < now_ms * MS:
            bench.decision.step(bench.decision._now_ns + 100 * MS)
        bench.air.take(Verdict)
        bench.announce(seq)
        bench.score(seq)
        (verdict,) = [v for v in bench.verdicts(now_ms * MS) if v.seq is not None]
        nowhere = (Result.NOT_INSPECTED, Reason.NOT_READY, "nobody says where the cloth is")
        assert (verdict.result, verdict.reason, verdict.detail) == (nowhere if seq == 30 else (Result.PASS, None, ""))


@pytest.mark.parametrize("standby", [False, True])
@pytest.mark.parametrize("early", [False, True])
def test_a_score_does_not_outlive_its_worker(early: bool, standby: bool) -> None:
    bench = Bench()
    if not early:
        bench.announce(0)
    else:
        bench.score(0)
    bench.decision.step(0)
    bench.status("worker", "worker", StageState.DOWN)
    if standby:
        bench.status("worker", "worker", generation=1)
    bench.decision.step(0)
    if not early:
        bench.score(0)
    else:
        bench.announce(0)
    assert [outcome(v) for v in bench.verdicts(0)] == [
        (0, Result.NOT_INSPECTED, Reason.NO_SCORE if standby else Reason.NOT_READY)
    ]
    assert bench.decision._totals(0).late_scores == 1


def test_the_last_number_that_a_frame_may_have_can_be_handed_on() -> None:
    bench = Bench()
    bench.announce((1 << 53) - 1, start_mm=0.0)
    bench.score((1 << 53) - 1)
    assert [(v.result, v.lost) for v in bench.verdicts()] == [(Result.NOT_INSPECTED, (1 << 53) - 1), (Result.PASS, 0)]
    after = Bench(decided=bench.decision.kept)
    after.announce((1 << 53) - 1, start_mm=0.0)
    assert after.verdicts() == [] and after.decision._totals(0).duplicates == 1


def test_a_fault_stays_until_it_is_reset_and_the_line_comes_back_through_degraded() -> None:
    bench = Bench(cameras=("a", "b"))
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
    assert bench.state().state is State.FAULT
    bench.inbox.send(Reset())
    bench.decision.step(0)
    assert bench.air.take(LineState) == []  # its cause is still there
    bench.status("recorder", "recorder")
    bench.announce(0, "a")
    bench.score(0, camera="a")
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.NOT_INSPECTED, Reason.NOT_READY)]
    state = bench.air.take(LineState)[-1]
    assert state.state is State.FAULT and "disk full (gone: reset it)" in state.detail
    bench.inbox.send(Reset())
    assert bench.state().state is State.DEGRADED
    for camera in ("a", "b"):
        assert bench.decision._shown is not None and bench.decision._shown[0] is State.DEGRADED
        bench.announce(1, camera)
        bench.score(1, camera=camera)
        bench.decision.step(0)
    state = bench.air.take(LineState)[-1]
    assert (state.state, state.inspection_ok) == (State.RUNNING, True)


def test_a_fault_and_a_bypass_outlive_a_restart_of_decision() -> None:
    rule = FaultAction(when="FAULT", do="stop")
    bench = Bench(fault="recorder: disk full", actions=Actions((rule,), fault=True))
    bench.announce(0)
    bench.score(0)
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.NOT_INSPECTED, Reason.NOT_READY)]
    state = bench.air.take(LineState)[-1]
    assert (state.state, state.detail) == (State.FAULT, "recorder: disk full (gone: reset it)")
    assert bench.air.take(Action) == []  # it was answered before
    bench.inbox.send(Reset())
    assert bench.state().state is State.DEGRADED
    assert Bench(bypass=True).state().state is State.BYPASS


def test_heartbeats_say_what_is_open_and_whether_rejects_are_set_aside() -> None:
    table = (DefectAction(when="DEFECT", do="stop"), DefectAction(when="DEFECT", do="lamp", distance_mm=1000))
    bench = Bench(actions=Actions(table))
    bench.announce(0)
    bench.score(0, 0.9)

    def beat(now_ms: int) -> tuple[bool, list[ActionKind]]:
        bench.decision.step(now_ms * MS)
        last = bench.air.take(Heartbeat)[-1]
        return last.bypass, list(last.unacknowledged)

    assert beat(0) == (False, [ActionKind.STOP])
    bench.move(2000.0)
    assert beat(100) == (False, [ActionKind.STOP, ActionKind.LAMP])
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
    bench.inbox.send(Bypass(on=True))
    bench.inbox.send(Acknowledge())
    assert beat(200) == (True, [])


def test_whoever_joins_late_hears_what_is_open() -> None:
    bench = Bench(actions=Actions((DefectAction(when="DEFECT", do="stop"),)))
    bench.announce(0)
    bench.score(0, 0.9)
    bench.decision.step(0)
    told = bench.air.take(Action)
    bench.air.newcomer = True
    bench.decision.step(0)
    assert len(told) == 1 and bench.air.take(Action) == told


def test_bypass_is_no_inspection_and_no_action() -> None:
    stop = DefectAction(when="DEFECT", do="stop")
    bench = Bench(actions=Actions((stop,)))
    bench.inbox.send(Bypass(on=True))
    for seq, value in ((0, 0.1), (1, 0.9)):
        bench.announce(seq)
        bench.score(seq, value)
    verdicts = bench.verdicts()
    assert [outcome(v) for v in verdicts] == [(n, Result.NOT_INSPECTED, Reason.BYPASS) for n in (0, 1)]
    assert [v.detail for v in verdicts] == ["PASS", "DEFECT"] and verdicts[1].regions
    assert bench.air.take(Action) == [] and bench.air.take(Reject) == []
    totals = bench.decision._totals(0)
    assert (totals.inspected_m, totals.not_inspected_m) == (0, 0.1)
    bench.inbox.send(Bypass(on=False))
    bench.announce(2)
    bench.score(2, 0.9)
    bench.decision.step(0)
    assert [a.kind for a in bench.air.take(Action)] == [ActionKind.STOP]


def test_an_action_goes_out_ahead_with_its_place_and_again_when_the_web_is_there() -> None:
    stop = DefectAction(when="DEFECT", do="stop", distance_mm=1000)
    bench = Bench(actions=Actions((stop,), counts_per_mm=-8.0))
    bench.move(50.0)
    bench.announce(0)
    bench.score(0, 0.9)
    bench.decision.step(0)
    (ahead,) = bench.air.take(Action)
    assert (ahead.phase, ahead.cause, ahead.verdict) == (Phase.AHEAD, Cause.DEFECT, 0)
    assert ahead.target_mm == pytest.approx(ahead.start_mm + 1000) and ahead.target_count == round(-8 * ahead.target_mm)
    bench.move(900.0, now_ns=0)
    bench.decision.step(500 * MS)  # 100 mm/s: at 950 mm
    assert bench.air.take(Action) == []
    bench.decision.step(1500 * MS)
    (now,) = bench.air.take(Action)
    assert (now.phase, now.event, now.number) == (Phase.NOW, ahead.event, 1)
    bench.inbox.send(Acknowledge())
    bench.decision.step(1600 * MS)
    assert [a.phase for a in bench.air.take(Action)] == [Phase.ACKNOWLEDGED]
    assert len(bench.recorder.take(Action)) == 3


def test_a_fault_is_answered_once() -> None:
    bench = Bench(actions=Actions((FaultAction(when="FAULT", do="stop"),)))
    bench.decision.step(0)
    for _ in range(3):
        bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
        bench.decision.step(0)
    assert [a.cause for a in bench.air.take(Action)] == [Cause.FAULT]


def test_observing_without_a_card_scores_and_never_rejects() -> None:
    bench = Bench(observe=True, standards={"": None})
    bench.announce(0)
    bench.score(0, 0.9)
    (verdict,) = bench.verdicts()
    assert outcome(verdict) == (0, Result.NOT_INSPECTED, Reason.NOT_READY)
    assert verdict.score == 0.9 and len(verdict.lanes) == LANES
    assert bench.air.take(Reject) == [] and bench.air.take(LineState)[-1].state is State.BYPASS


def test_heartbeats_come_from_progress_and_records_wait_for_the_recorder() -> None:
    bench = Bench()
    bench.recorder.room = 0
    for now_ms in (0, 50, 100, 210):
        bench.decision.step(now_ms * MS)
    beats = bench.air.take(Heartbeat)
    assert [b.number for b in beats] == [0, 1, 2] and beats[-1].state is State.READY
    bench.announce(0)
    bench.score(0)
    bench.decision.step(220 * MS)
    assert bench.decision.waiting > 0
    bench.recorder.room = 99
    bench.decision.step(230 * MS)
    assert len(bench.recorder.take(Verdict)) == 1 and bench.decision.waiting == 0


def test_a_recorder_that_takes_nothing_is_a_fault_and_what_waits_for_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.decision.backlog.FAULT", 20)
    monkeypatch.setattr("pipeline.decision.backlog.MAX_UNCOMMITTED", 30)
    bench = Bench()
    bench.recorder.room = 0
    for seq in range(60):
        bench.announce(seq)
        bench.score(seq)
        bench.decision.step(seq * MS)
    verdicts = bench.air.take(Verdict)
    fault = next(i for i, v in enumerate(verdicts) if v.result is not Result.PASS)
    assert fault < 20 and {(v.result, v.reason) for v in verdicts[fault:]} == {(Result.NOT_INSPECTED, Reason.NOT_READY)}
    bench.decision.step(1000 * MS)
    dropped = bench.air.take(Totals)[-1].unrecorded
    assert bench.decision.waiting == 30 and dropped > 0
    bench.recorder.room = 99
    bench.decision.step(1001 * MS)
    (state,) = [s for s in bench.recorder.take(LineState) if s.state is State.FAULT]
    assert "takes no records, make room on its disk or restart the line" in state.detail
    bench.decision.step(2000 * MS)
    assert bench.recorder.take(Totals)[-1].unrecorded == dropped  # the record knows that it is not whole


def test_what_falls_out_of_the_backlog_is_told_as_lost_record_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.decision.backlog.MAX_UNCOMMITTED", 30)
    bench = Bench(("c", "d"), y_offset_mm={"d": 7.0})
    for seq in range(24):
        for camera, offset_mm in (("c", 0.0), ("d", 7.0)):
            bench.announce(seq, camera, start_mm=50 * seq + offset_mm)
            bench.score(seq, camera=camera)
        bench.decision.step(seq * MS)
    told = bench.air.take(Verdict)
    recorded = [m for m, _ in bench.recorder.queue if isinstance(m, Verdict)]
    assert len(told) == 48 and recorded == told[: len(recorded)] and len(recorded) < 30
    assert {v.reason for v in told[len(recorded) :]} == {Reason.NOT_READY}
    bench.decision.step(100 * MS)
    assert bench.air.take(Verdict) == []  # nothing is safe yet
    bench.air.take(Reject)
    bench.commit()
    bench.decision.step(101 * MS)
    told_of_lost = bench.air.take(Verdict)
    assert told_of_lost == bench.recorder.take(Verdict)[-2:]
    lost = sorted(told_of_lost, key=lambda v: v.camera)
    assert [(v.camera, v.result, v.reason, v.seq) for v in lost] == [
        (camera, Result.NOT_INSPECTED, Reason.RECORD_LOST, None) for camera in "cd"
    ]
    for verdict in lost:
        fallen = [v for v in told[len(recorded) :] if v.camera == verdict.camera]
        assert (verdict.start_mm, verdict.end_mm, verdict.lost) == (fallen[0].start_mm, fallen[-1].end_mm, len(fallen))
        assert f"{len(fallen)} of its verdicts, from {fallen[0].number} to {fallen[-1].number}" in verdict.detail
    assert bench.air.take(Reject) == []


def test_what_fell_out_of_the_backlog_is_told_at_the_end_whatever_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.decision.backlog.MAX_UNCOMMITTED", 30)
    bench = Bench()
    for seq in range(40):
        bench.announce(seq)
        bench.score(seq)
        bench.decision.step(0)
    recorded = bench.recorder.take(Verdict)
    fallen = [v for v in bench.air.take(Verdict) if v not in recorded]
    bench.announce(40)
    bench.decision.step(0)
    bench.decision.close()  # nothing was committed, and the last frame falls out, too
    (last, lost) = bench.air.take(Verdict)
    assert (last.seq, lost.reason, lost.lost) == (40, Reason.RECORD_LOST, len(fallen) + 1)
    assert (lost.start_mm, lost.end_mm) == (fallen[0].start_mm, 41 * 50) and bench.recorder.take(Verdict)[-1] == lost


def test_the_fault_of_too_much_in_hand_is_reset_once_it_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.decision.backlog.MAX_UNCOMMITTED", 30)
    bench = Bench()
    for seq in range(40):
        bench.announce(seq)
        bench.score(seq)
        bench.decision.step(seq * MS)
    bench.inbox.send(Reset(ticket="early"))
    bench.decision.step(50 * MS)
    assert "takes no records" in bench.air.take(Answer)[-1].refused
    bench.commit()
    bench.decision.step(60 * MS)
    bench.inbox.send(Reset(ticket="late"))
    bench.decision.step(70 * MS)
    assert bench.air.take(Answer)[-1].refused == "" and bench.air.take(LineState)[-1].state is not State.FAULT
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")  # its own words count again
    assert "disk full" in bench.state(80 * MS).detail


def test_what_a_killed_recorder_took_is_told_to_its_successor() -> None:
    bench = Bench()
    for seq in range(3):
        bench.announce(seq)
        bench.score(seq, 0.9)
    bench.decision.step(0)
    bench.recorder.queue.clear()
    bench.status("recorder", "recorder", StageState.DOWN)
    bench.status("recorder", "recorder", generation=1)
    bench.decision.step(1)
    again = bench.recorder.take(Verdict)
    assert [v.seq for v in again] == [0, 1, 2] and not any(v.cells_shape for v in again)
    assert len(bench.recorder.take(Reject)) == 3


def test_what_is_not_committed_is_kept_for_the_next_recorder_and_the_rest_is_let_go() -> None:
    bench = Bench()
    for seq in range(5):
        bench.announce(seq)
        bench.score(seq, 0.9)
    bench.decision.step(0)
    bench.commit()
    bench.recorder.queue.clear()
    for seq in range(5, 700):
        bench.announce(seq)
        bench.score(seq, 0.9)
        bench.decision.step(1)
    bench.recorder.queue.clear()
    bench.status("recorder", "recorder", generation=1)  # nobody said that the one before had gone
    bench.decision.step(2)
    assert [v.seq for v in bench.recorder.take(Verdict)] == list(range(5, 700))
    assert [r.number for r in bench.recorder.take(Reject)] == list(range(5, 700))


def test_at_the_end_nothing_stays_undecided() -> None:
    bench = Bench()
    bench.announce(0)
    bench.decision.step(0)
    bench.status("grabber", "c", StageState.ENDED)
    bench.decision.step(0)
    assert not bench.decision.finished
    bench.decision.close()
    assert [outcome(v) for v in bench.recorder.take(Verdict)] == [(0, Result.NOT_INSPECTED, Reason.NO_SCORE)]
    assert bench.recorder.take(Totals)[-1].verdicts == 1
    assert bench.decision.finished


def test_drift_makes_the_line_degraded_and_lights_the_lamp_and_changes_no_verdict() -> None:
    bench = Bench(actions=Actions((DriftAction(when="DRIFT", do="lamp"),)))
    for seq in range(BASE + RECENT):
        bench.announce(seq, level=100.0 if seq < BASE else 70.0, texture=8.0)
        bench.score(seq)
        assert [v.result for v in bench.verdicts() if v.seq is not None] == [Result.PASS]
    told = bench.air.take(LineState)[-1]
    assert (told.state, told.inspection_ok, told.detail) == (State.DEGRADED, True, "c: brightness -30%")
    assert [(a.kind, a.cause) for a in bench.air.take(Action)] == [(ActionKind.LAMP, Cause.DRIFT)]


GOOD = GoodLook(level=100.0, texture=8.0, share=0.2, middle_shares=(0.1, 0.2, 0.4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": 135.0}, "brightness +35%"),
        ({"texture": 3.0}, "texture -62%"),
        ({"value": 0.01}, "scores at 0.02 of the threshold instead of 0.1 to 0.4"),
    ],
)
def test_a_roll_unlike_the_card_gets_no_pass_until_it_changes_or_somebody_accepts_it(
    change: dict[str, float], words: str
) -> None:
    bench = Bench(standards={"": replace(STANDARD, good={"": GOOD})})
    value, look = change.pop("value", 0.1), {"level": 100.0, "texture": 8.0, **change}

    def run(first: int, last: int, value: float, **look: Any) -> list[tuple[Result, Reason | None]]:
        verdicts = []
        for seq in range(first, last):
            bench.announce(seq, **look)
            bench.score(seq, value, calm=value)
            verdicts += bench.verdicts()
        return [(v.result, v.reason) for v in verdicts]

    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="A", at_mm=0.0))
    assert set(run(0, 60, 0.1, level=100.0, texture=8.0)) == {(Result.PASS, None)}
    bench.inbox.send(RollStart(roll_id="B", at_mm=3000.0))
    assert set(run(60, 150, value, **look)) == {(Result.NOT_INSPECTED, Reason.WRONG_STYLE)}
    state = bench.air.take(LineState)[-1]
    assert (state.state, state.inspection_ok) == (State.DEGRADED, False) and state.detail.endswith(words)
    assert set(run(150, 160, 0.1, level=100.0, texture=8.0)) == {(Result.NOT_INSPECTED, Reason.WRONG_STYLE)}  # it holds
    assert set(run(160, 162, 0.9, **look)) == {(Result.NOT_INSPECTED, Reason.WRONG_STYLE)}
    bench.inbox.send(Reset())
    assert set(run(162, 170, value, **look)) == {(Result.PASS, None)}
    bench.inbox.send(RollStart(roll_id="C", at_mm=8500.0))
    assert set(run(170, 180, value, **look)) == {(Result.NOT_INSPECTED, Reason.WRONG_STYLE)}
    bench.inbox.send(RollStart(roll_id="D", at_mm=9000.0))
    assert set(run(180, 190, 0.1, level=100.0, texture=8.0)) == {(Result.PASS, None)}


RAISING = replace(STANDARD, good={"": GOOD.model_copy(update={"levels": (-2.6, -2.2, -2.0)})})


def test_a_roll_whose_good_cloth_scores_higher_has_raised_thresholds_after_its_first_metres() -> None:
    def run(bench: Bench, first: int, last: int, calm: float, value: float | None = None) -> list[tuple[Result, float]]:
        verdicts = []
        for seq in range(first, last):
            bench.announce(seq, level=100.0, texture=8.0)
            bench.score(seq, calm if value is None else value, calm=calm)
            verdicts += [v for v in bench.verdicts() if v.seq is not None]
        return [(v.result, round(v.raised, 9)) for v in verdicts]

    bench = Bench(standards={"": RAISING})
    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="A", at_mm=0.0))
    assert set(run(bench, 0, 59, 0.1)) == {(Result.PASS, 0.0)}
    assert run(bench, 59, 60, 0.1, 0.6) == [(Result.DEFECT, 0.0)]
    bench.inbox.send(RollStart(roll_id="B", at_mm=3000.0))
    assert set(run(bench, 60, 80, 0.2)) == {(Result.PASS, 0.0)}
    assert set(run(bench, 80, 90, 0.2, 0.6)) == {(Result.DEFECT, 0.0)}  # sparse defects do not make the level
    assert set(run(bench, 90, 100, 0.2)) == {(Result.PASS, 0.0)}
    assert set(run(bench, 100, 105, 0.2, 0.64)) == {(Result.PASS, 0.6)}  # 0.5 by 0.6 of log odds is 0.6457
    assert set(run(bench, 105, 110, 0.2, 0.65)) == {(Result.DEFECT, 0.6)}
    again = Bench(standards={"": RAISING}, decided=bench.decision.kept, cloth=ClothTerms("B", start_mm=3000.0), generation=1)
    again.move(5500.0)
    assert set(run(again, 110, 120, 0.2, 0.64)) == {(Result.PASS, 0.6)}
    again.inbox.send(RollStart(roll_id="C", at_mm=6000.0))
    assert set(run(again, 120, 125, 0.2, 0.64)) == {(Result.DEFECT, 0.0)}


def test_nothing_lowers_a_threshold() -> None:
    bench = Bench(standards={"": RAISING})
    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="A", at_mm=0.0))
    for seq in range(60):
        bench.announce(seq, level=100.0, texture=8.0)
        bench.score(seq, 0.05 if seq < 50 else 0.45, calm=0.05)
    assert {(v.result, v.raised) for v in bench.verdicts()} == {(Result.PASS, 0.0)}


@pytest.mark.parametrize("accepted", [False, True])
def test_what_the_first_metres_said_of_a_roll_or_a_person_of_them_outlives_decision(accepted: bool) -> None:
    standards, dark = {"": replace(STANDARD, good={"": GOOD})}, {"level": 60.0, "texture": 8.0}
    roll = RollStart(roll_id="B", at_mm=0.0)
    bench = Bench(standards=standards)
    bench.move(0.0)
    bench.inbox.send(roll)

    def run(bench: Bench, first: int, last: int, **look: Any) -> set[tuple[Result, Reason | None]]:
        for seq in range(first, last):
            bench.announce(seq, **look)
            bench.score(seq, 0.1, calm=0.1)
        return {(v.result, v.reason) for v in bench.verdicts() if v.seq is not None}

    run(bench, 0, 30, **dark)
    assert bench.decision.kept.cameras["c"].began is None  # 1.5 m
    run(bench, 30, 50, **dark)
    if accepted:
        bench.inbox.send(Reset())
    bench.verdicts()
    kept = bench.decision.kept
    again = Bench(standards=standards, decided=kept, cloth=ClothTerms("B", start_mm=0.0), generation=1)
    again.move(2500.0)
    says = {(Result.PASS, None)} if accepted else {(Result.NOT_INSPECTED, Reason.WRONG_STYLE)}
    assert run(again, 50, 60, **dark) == says
    assert run(again, 60, 70, level=100.0, texture=8.0) == says
    again.inbox.send(RollStart(roll_id="C", at_mm=3500.0))
    assert run(again, 70, 80, **dark) == {(Result.NOT_INSPECTED, Reason.WRONG_STYLE)}  # another roll is another question


def test_a_roll_that_begins_with_defects_is_not_called_another_style() -> None:
    """Defects among the first metres stay defects, and good frames between them pass."""
    bench = Bench(standards={"": replace(STANDARD, good={"": GOOD})})
    for seq in range(40):
        bench.announce(seq, level=100.0, texture=8.0)
        bench.score(seq, 0.9 if seq in (0, 1, 7, 8, 9) else 0.1, calm=0.1)
    results = [v.result for v in bench.verdicts()]
    assert [n for n, r in enumerate(results) if r is Result.DEFECT] == [0, 1, 7, 8, 9]
    assert Result.NOT_INSPECTED not in results


def test_a_roll_that_starts_with_ten_metres_of_a_streak_is_all_defect_and_raises_nothing() -> None:
    bench = Bench(standards={"": RAISING})
    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="A", at_mm=0.0))
    verdicts = []
    for seq in range(240):  # 12 m
        bench.announce(seq, level=100.0, texture=8.0)
        bench.score(seq, 0.9 if seq < 200 else 0.1, calm=0.1)
        verdicts += [v for v in bench.verdicts() if v.seq is not None]
    assert [v.result for v in verdicts] == [Result.DEFECT] * 200 + [Result.PASS] * 40
    assert {v.raised for v in verdicts} == {0.0}


def test_ten_metres_of_defect_over_the_full_width_never_pass_and_raise_no_more_than_the_card_allows() -> None:
    bench = Bench(standards={"": RAISING})
    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="A", at_mm=0.0))
    verdicts = []
    for seq in range(240):
        bench.announce(seq, level=100.0, texture=8.0)
        value = 0.9 if seq < 200 else 0.1
        bench.score(seq, value, calm=value)
        verdicts += [v for v in bench.verdicts() if v.seq is not None]
    assert [v.result for v in verdicts[:39]] == [Result.DEFECT] * 39
    assert {v.reason for v in verdicts[40:]} == {Reason.WRONG_STYLE}  # until somebody has looked
    assert {round(v.raised, 9) for v in verdicts[40:]} == {0.6}
    bench.inbox.send(Reset())
    bench.announce(240, level=100.0, texture=8.0)
    bench.score(240, 0.1, calm=0.1)
    assert [v.result for v in bench.verdicts()] == [Result.PASS]


@pytest.mark.parametrize(("lit", "passes"), [(15, 0), (30, 200)])
def test_a_lamp_that_fails_in_a_rolls_first_metres_is_another_style_or_drift_and_never_silence(lit: int, passes: int) -> None:
    """Where most of the first metres are dark the roll is unlike the card; where few are, the lamp is told as drift."""
    bench = Bench(standards={"": RAISING})
    bench.move(0.0)
    bench.inbox.send(RollStart(roll_id="A", at_mm=0.0))
    verdicts = []
    for seq in range(240):
        bench.announce(seq, level=100.0 if seq < lit else 20.0, texture=8.0)
        bench.score(seq, 0.1, calm=0.1)
        verdicts += [v for v in bench.verdicts() if v.seq is not None]
    late = [v for v in verdicts[40:] if v.result is Result.PASS]
    assert len(late) == passes
    told = bench.air.take(LineState)[-1]
    assert told.state is State.DEGRADED and "brightness -80%" in told.detail
    assert told.inspection_ok is (passes > 0)


def test_cloth_that_is_above_the_threshold_all_over_is_another_style_also_where_full_width_defects_are_seams() -> None:
    seams = StyleConfig(events=EventsConfig(transverse=EventKind.SEAM, transverse_most_mm=60.0))
    bench = Bench(standards={"": replace(STANDARD, good={"": GOOD})}, cloth=ClothTerms(style_of=lambda style: seams))
    verdicts = []
    for seq in range(60):  # 3 m
        bench.announce(seq, level=150.0, texture=8.0)
        bench.score_full_width(seq)
        verdicts += bench.verdicts()
    assert verdicts[0].event is EventKind.SEAM
    assert {v.reason for v in verdicts[45:]} == {Reason.WRONG_STYLE}
    assert bench.state().inspection_ok is False
