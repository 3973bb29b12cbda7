"""Decision: exactly one verdict for each announced frame and each silent span, PASS only on good grounds, in time."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.threshold import GoodLook
from pipeline.action_config import DefectAction, DriftAction, FaultAction
from pipeline.actions import Actions
from pipeline.cloth import ClothTerms
from pipeline.decision import Decision
from pipeline.drift import BASE, RECENT
from pipeline.gap import Gap
from pipeline.judgement import Standard
from pipeline.ledger import Ledger
from pipeline.messages import (
    Acknowledge,
    Action,
    ActionKind,
    Announced,
    Bypass,
    Cause,
    EventKind,
    FrameStatus,
    Heartbeat,
    LineState,
    Motion,
    MotionState,
    Phase,
    Reason,
    Reject,
    Reset,
    Result,
    ScoreMap,
    StageState,
    State,
    Status,
    Totals,
    Verdict,
)
from pipeline.outputs.publisher import Publisher
from pipeline.roll import measure
from pipeline.style_config import EventsConfig, StyleConfig
from pipeline.terms import DecisionTerms
from pipeline.web_messages import MarkEvent, RollStart
from tests.fakes import TILING, Box

MS = 1_000_000
LANES = 3  # 160 px in tiles of 64 px
STANDARD = Standard("weights", "engine", "card", TILING, (0.5, 0.6, 0.5))


class Bench:
    """Decision with its surroundings; every stage has reported unless told otherwise."""

    def __init__(
        self,
        cameras: tuple[str, ...] = ("c",),
        ready: bool = True,
        observe: bool = False,
        actions: Actions | None = None,
        **terms: Any,
    ) -> None:
        self.inbox, self.recorder, self.air = Box(), Box(), Box()
        facts = {
            "frame_mm": dict.fromkeys(cameras, 50.0), "standards": {"": STANDARD}, "tolerate_not_inspected_mm": 120.0,
            "observe": observe, "generation": 3, **terms,
        }  # fmt: skip
        publisher = Publisher(self.air, 3)
        if actions is not None:
            actions._number = lambda: publisher.number(Action)
        self.decision = Decision(self.inbox, self.recorder, publisher, DecisionTerms(**facts), lambda: 9, actions)
        if ready:
            self.status("worker", "worker")
            for camera in cameras:
                self.status("grabber", camera)

    def status(self, role: str, name: str, state: StageState = StageState.READY, generation: int = 0, detail: str = "") -> None:
        self.inbox.send(Status(role=role, name=name, generation=generation, state=state, detail=detail))

    def announce(self, seq: int, camera: str = "c", start_mm: float | None = None, boot: str = "b", **facts: Any) -> None:
        start = seq * 50.0 if start_mm is None else start_mm
        body = {
            "sent": True,
            "budget_ms": 100.0,
            "start_mm": start,
            "end_mm": start + 50.0,
            "mm_per_px_x": 2.0,
            "mm_per_px_y": 0.5,
        }
        self.inbox.send(Announced(camera=camera, boot_id=boot, seq=seq, t_mono_ns=0, t_utc_ns=1, **{**body, **facts}))

    def score(
        self,
        seq: int,
        value: float = 0.1,
        camera: str = "c",
        boot: str = "b",
        lane: int = 0,
        engine: str = "engine",
        fault: str = "",
        calm: float = 0.0,
    ) -> None:
        cells = np.zeros((8, 20), "<f4")
        cells[3, (2, 9, 17)[lane]] = value
        lanes = [calm] * LANES
        lanes[lane] = value
        shown = value > 0.4
        scored = ScoreMap(
            camera=camera, boot_id=boot, seq=seq, generation=0, weights_sha="weights", engine_sha=engine, score=value,
            lanes=tuple(lanes), tiles=3, frame_shape=(64, 160), fault=fault, inspect_x_px=(0, 160) if shown else None,
            cells_shape=(8, 20) if shown else None,
        )  # fmt: skip
        self.inbox.send(scored, *((cells.tobytes(), bytes(64 * 160)) if shown else ()))

    def score_full_width(self, seq: int, value: float = 0.9) -> None:
        """A row of cells above every lane's threshold."""
        cells = np.zeros((8, 20), "<f4")
        cells[3] = value
        scored = ScoreMap(
            camera="c", boot_id="b", seq=seq, generation=0, weights_sha="weights", engine_sha="engine", score=value,
            lanes=(value,) * LANES, tiles=3, frame_shape=(64, 160), inspect_x_px=(0, 160), cells_shape=(8, 20),
        )  # fmt: skip
        self.inbox.send(scored, cells.tobytes(), bytes(64 * 160))

    def score_cells(self, seq: int, cells: np.ndarray) -> None:
        """A frame whose every cell is stated."""
        layout = TILING.layout(64, 160, None)
        scored = ScoreMap(
            camera="c", boot_id="b", seq=seq, generation=0, weights_sha="weights", engine_sha="engine",
            score=float(cells.max()), lanes=tuple(float(s) for s in layout.lane_scores(cells)), tiles=3,
            frame_shape=(64, 160), inspect_x_px=(0, 160), cells_shape=(8, 20),
        )  # fmt: skip
        self.inbox.send(scored, cells.tobytes(), bytes(64 * 160))

    def move(self, position_mm: float, speed_mm_s: float = 100.0, now_ns: int = 0) -> None:
        state = MotionState.STOPPED if speed_mm_s == 0 else MotionState.MOVING if speed_mm_s > 0 else MotionState.REVERSE
        self.inbox.send(Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source="t", t_mono_ns=now_ns))

    def verdicts(self, now_ns: int = 0) -> list[Verdict]:
        self.decision.step(now_ns)
        return list(self.air.take(Verdict))

    def state(self, now_ns: int = 0) -> LineState:
        self.decision.step(now_ns)
        return list(self.air.take(LineState))[-1]


def specks(count: int, seed: int = 0) -> np.ndarray:
    """Cells of which so many, none beside another, are above every threshold, each with a score of its own."""
    rng = np.random.default_rng(seed)
    cells = np.zeros((8, 20), "<f4")
    places = rng.permutation(40)[:count]
    cells[2 * (places // 10), 2 * (places % 10)] = rng.permutation(np.linspace(0.7, 0.99, count)).astype("<f4")
    return cells


def outcome(verdict: Verdict) -> tuple[int | None, Result, Reason | None]:
    return verdict.seq, verdict.result, verdict.reason


def test_pass_and_defect_by_lane() -> None:
    bench = Bench()
    for seq, (value, lane) in enumerate([(0.5, 0), (0.55, 0), (0.6, 1), (0.61, 1)]):
        bench.announce(seq)
        bench.score(seq, value, lane=lane)
    got = bench.verdicts()
    assert [v.result for v in got] == [Result.PASS, Result.DEFECT, Result.PASS, Result.DEFECT]
    (region,) = got[3].regions
    assert (region.x0_px, region.y0_px, region.x1_px, region.y1_px) == (72, 24, 80, 32)
    assert (region.x0_mm, region.x1_mm, region.y0_mm, region.y1_mm) == (144, 160, 162, 166)
    assert [v.number for v in got] == [0, 1, 2, 3] and {v.generation for v in got} == {3}
    assert (got[0].weights_sha, got[0].engine_sha, got[0].card_sha) == ("weights", "engine", "card")


def test_a_defect_carries_cells_and_pixels_to_the_recorder_and_a_reject_at_once() -> None:
    bench = Bench()
    bench.announce(4)
    bench.score(4, 0.9, lane=2)
    bench.decision.step(0)
    verdict, payloads = next(r for r in bench.recorder.queue if isinstance(r[0], Verdict))
    assert isinstance(verdict, Verdict) and verdict.cells_shape == (8, 20) and len(payloads) == 2
    (reject,) = bench.air.take(Reject)
    assert (reject.cause, reject.start_mm, reject.end_mm, reject.x0_mm, reject.verdict) == (Result.DEFECT, 200, 250, 272, 0)


@given(st.integers(1, 40), st.integers(0, 1000))
def test_of_many_regions_the_strongest_travel_and_the_number_of_all(count: int, seed: int) -> None:
    bench, cells = Bench(), specks(count, seed)
    bench.announce(0)
    bench.score_cells(0, cells)
    (verdict,) = bench.verdicts()
    assert verdict.regions_total == count
    assert [r.score for r in verdict.regions] == sorted(cells[cells > 0], reverse=True)[: Verdict.MAX_REGIONS]


@pytest.mark.parametrize(("count", "events"), [(12, 2), (13, 1)])
def test_a_region_that_was_left_out_may_lie_beside_the_seam(count: int, events: int) -> None:
    bench = Bench()
    bench.inbox.send(MarkEvent(kind=EventKind.SEAM, at_mm=0.0, length_mm=50.0))
    for seq, end_mm in enumerate((50.0, 60.0)):  # all that is told lies in the seam, of the second frame not all of it does
        bench.announce(seq, start_mm=0.0, end_mm=end_mm)
        bench.score_cells(seq, specks(count))
    assert sum(v.event is EventKind.SEAM for v in bench.verdicts()) == events


@pytest.mark.parametrize(
    ("value", "facts", "reason"),
    [
        (math.nan, {}, Reason.NOT_FINITE),
        (0.1, {"engine": "other"}, Reason.MODEL_MISMATCH),
        (0.1, {"fault": "too narrow"}, Reason.DAMAGED),
    ],
)
def test_no_pass_on_bad_grounds(value: float, facts: dict[str, str], reason: Reason) -> None:
    bench = Bench()
    bench.announce(0)
    bench.score(0, value, **facts)  # type: ignore[arg-type]
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.NOT_INSPECTED, reason)]


@given(st.lists(st.floats(width=32), min_size=LANES, max_size=LANES), st.floats(width=32))
def test_every_float_passes_only_when_finite_and_under_the_threshold(lanes: list[float], score: float) -> None:
    bench = Bench()
    bench.announce(0)
    cells = np.zeros((8, 20), "<f4")
    for column, value in zip((2, 9, 17), lanes, strict=True):
        cells[0, column] = value
    bench.inbox.send(
        ScoreMap(
            camera="c", boot_id="b", seq=0, generation=0, weights_sha="weights", engine_sha="engine", score=score,
            lanes=tuple(lanes), tiles=3, frame_shape=(64, 160), inspect_x_px=(0, 160), cells_shape=(8, 20),
        ),
        cells.tobytes(), bytes(64 * 160),
    )  # fmt: skip
    (verdict,) = bench.verdicts()
    good = all(s <= t for s, t in zip(lanes, STANDARD.thresholds, strict=True)) and math.isfinite(score)
    assert (verdict.result is Result.PASS) == (good and all(math.isfinite(s) for s in lanes))
    if verdict.result is Result.DEFECT:
        assert verdict.regions


def test_unsent_damaged_and_late_frames() -> None:
    bench = Bench()
    bench.announce(0, sent=False)
    bench.announce(1, status=FrameStatus.DAMAGED, sent=False, error="half a buffer")
    bench.announce(2)
    assert [outcome(v) for v in bench.verdicts()] == [
        (0, Result.NOT_INSPECTED, Reason.OVERLOAD),
        (1, Result.NOT_INSPECTED, Reason.DAMAGED),
    ]
    assert bench.verdicts(100 * MS) == []
    assert [outcome(v) for v in bench.verdicts(100 * MS + 1)] == [(2, Result.NOT_INSPECTED, Reason.NO_SCORE)]
    bench.score(2)
    assert bench.verdicts(600 * MS) == []
    assert bench.air.take(Totals)[-1].late_scores == 1


def test_a_score_found_after_the_deadline_is_late_even_when_decision_itself_was_held_up() -> None:
    bench = Bench()
    bench.announce(0)
    bench.decision.step(0)
    bench.score(0)
    assert [outcome(v) for v in bench.verdicts(5000 * MS)] == [(0, Result.NOT_INSPECTED, Reason.NO_SCORE)]
    assert bench.decision._totals(0).late_scores == 1


def test_a_score_above_the_threshold_without_its_cells_is_not_inspected() -> None:
    bench = Bench()
    bench.announce(0)
    bench.inbox.send(
        ScoreMap(
            camera="c", boot_id="b", seq=0, generation=0, weights_sha="weights", engine_sha="engine", score=0.9,
            lanes=(0.9, 0.0, 0.0), tiles=3, frame_shape=(64, 160),
        )
    )  # fmt: skip
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.NOT_INSPECTED, Reason.MODEL_MISMATCH)]


def test_a_score_may_come_before_its_announcement_and_announcements_count_once() -> None:
    bench = Bench()
    bench.score(0)
    assert bench.verdicts() == []
    bench.announce(0)
    bench.announce(0)
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.PASS, None)]


def test_without_a_ready_worker_the_reason_is_not_ready() -> None:
    bench = Bench(ready=False)
    bench.announce(0)
    assert [outcome(v) for v in bench.verdicts(0) + bench.verdicts(101 * MS)] == [(0, Result.NOT_INSPECTED, Reason.NOT_READY)]


def test_replay_has_no_deadline() -> None:
    bench = Bench()
    bench.announce(0, budget_ms=None)
    assert bench.verdicts(0) == bench.verdicts(10**15) == []
    bench.score(0)
    assert [v.result for v in bench.verdicts(2 * 10**15)] == [Result.PASS]


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_any_order_of_messages_gives_one_verdict_a_frame(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench(cameras=("a", "b"))
    todo = []
    for camera in ("a", "b"):
        for seq in range(8):
            fate = rng.choice(["good", "bad", "silent", "unsent", "twice"])
            todo.append((camera, seq, fate))
    scores = [t for t in todo if t[2] not in ("silent", "unsent")]
    rng.shuffle(scores)
    announcements = [[t for t in todo if t[0] == c] for c in ("a", "b")]
    while scores or any(announcements):
        line = rng.choice([*announcements, scores])
        if not line:
            continue
        camera, seq, fate = line.pop(0)
        if line is scores:
            for _ in range(2 if fate == "twice" else 1):
                bench.score(seq, 0.9 if fate == "bad" else 0.1, camera=camera)
        else:
            bench.announce(seq, camera=camera, sent=fate != "unsent")
        if rng.random() < 0.3:
            bench.decision.step(0)
    for _ in range(3):
        bench.decision.step(0)
    bench.decision.step(101 * MS)
    got = {(v.camera, v.seq): v.result for v in bench.air.take(Verdict)}
    expected = {"good": Result.PASS, "twice": Result.PASS, "bad": Result.DEFECT}
    assert got == {(c, s): expected.get(f, Result.NOT_INSPECTED) for c, s, f in todo}
    assert bench.decision._totals(0).verdicts == len(todo)


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
    bench.announce(1, start_mm=150.0, lost=2)
    silent = [v for v in bench.verdicts() if v.seq is None]
    assert [(v.start_mm, v.end_mm, v.lost) for v in silent] == [(50, 150, 0), (150, 150, 2)]
    assert bench.air.take(Reject) == []  # 100 mm are within the tolerance


def test_a_frame_of_which_decision_never_heard_is_lost_not_forgotten() -> None:
    bench = Bench()
    bench.announce(5)  # a decision that was started again may hear of a late one first
    bench.announce(7, start_mm=300.0)
    silent = [v for v in bench.verdicts() if v.seq is None]
    assert [(v.start_mm, v.end_mm, v.lost) for v in silent] == [(300, 300, 1)]


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
    bench.announce(2)
    bench.score(2)
    assert [v.result for v in bench.verdicts(10**14)] == [Result.PASS]
    assert bench.air.take(LineState)[-1].state is State.RUNNING


def test_web_between_two_frames_is_a_silent_span() -> None:
    bench = Bench()
    bench.announce(0)
    bench.announce(1, start_mm=90.0, lost=2)
    bench.score(0)
    bench.score(1)
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
    assert (state.state, state.inspection_ok, state.detail) == (State.DEGRADED, False, "motion: no count yet")
    bench.status("motion", "motion")
    bench.move(100.0)
    bench.announce(2)
    bench.score(2)
    assert [v.result for v in bench.verdicts()] == [Result.PASS]


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
    monkeypatch.setattr("pipeline.backlog.FAULT", 20)
    monkeypatch.setattr("pipeline.backlog.MOST", 30)
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
    assert "takes no records, restart the line" in state.detail
    bench.decision.step(2000 * MS)
    assert bench.recorder.take(Totals)[-1].unrecorded == dropped + 1  # the last totals; the record knows that it is not whole


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


def test_a_gap_is_rejected_whole_and_then_span_by_span_in_any_order() -> None:
    gap = Gap(tolerate_mm=120)
    assert gap.missed(50, 100) is None and gap.open
    assert gap.missed(100, 150) is None
    assert gap.missed(0, 50) == (0, 150)  # an earlier frame ran out of time later
    assert gap.missed(150, 200) == (150, 200)
    gap.judged()
    assert not gap.open and gap.ever_judged
    assert gap.missed(300, 350) is None
    assert gap.missed(None, None) == (None, None)


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


def test_cloth_told_missing_was_not_seen_so_a_late_frame_of_it_is_no_rescan() -> None:
    bench = Bench()
    bench.move(0.0)
    bench.announce(0)
    bench.score(0)
    bench.move(300.0, 10.0)  # the camera is behind, and its web is told missing
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
    metres = measure(held.path)
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
    assert bench.decision.counters == {"seen c": 550}  # frame 1 is pending: should it be lost, it is found missing
    again = Bench(seen_mm={"c": 550.0})
    again.announce(0, start_mm=450.0, boot="b2")
    again.score(0, boot="b2")
    assert [v.rescan for v in again.verdicts()] == [True]


def test_rows_astray_are_never_taken_for_cloth_seen_before() -> None:
    bench = Bench()
    bench.announce(0)
    bench.announce(1, start_mm=50.0, end_mm=50.0, status=FrameStatus.DAMAGED, sent=False, error="40 rows are 20 mm")
    (damaged,) = bench.verdicts()
    assert (damaged.reason, damaged.rescan) == (Reason.DAMAGED, False)
    assert not bench.state().inspection_ok


def test_with_an_actuator_a_verdict_is_due_when_the_first_row_is_there() -> None:
    bench = Bench(actuator_mm={"c": 300.0})
    bench.announce(1, budget_ms=1000.0)  # from 50 mm: due at 350 mm
    bench.move(100.0, 1000.0)
    assert bench.verdicts(0) == []
    bench.move(349.0, 1000.0, now_ns=240 * MS)
    assert bench.verdicts(240 * MS) == []
    assert [outcome(v) for v in bench.verdicts(241 * MS)] == [(1, Result.NOT_INSPECTED, Reason.NO_SCORE)]


def test_with_an_actuator_time_stands_while_the_web_does_and_runs_out_while_it_moves() -> None:
    bench = Bench(actuator_mm={"c": 300.0})
    bench.announce(1)  # 100 ms
    bench.move(100.0, 0.0)
    assert bench.verdicts(0) == []
    assert bench.verdicts(60_000 * MS) == [] and bench.decision.waiting > 0  # pending, neither inspected nor lost
    bench.move(100.0, 1.0, now_ns=60_000 * MS)
    assert bench.verdicts(60_000 * MS) == []
    assert bench.verdicts(60_099 * MS) == []
    assert [outcome(v) for v in bench.verdicts(60_101 * MS)] == [(1, Result.NOT_INSPECTED, Reason.NO_SCORE)]


def test_drift_is_told_with_the_state_and_lights_the_lamp_and_changes_no_verdict() -> None:
    bench = Bench(actions=Actions((DriftAction(when="DRIFT", do="lamp"),)))
    for seq in range(BASE + RECENT):
        bench.announce(seq, level=100.0 if seq < BASE else 70.0, texture=8.0)
        bench.score(seq)
        assert [v.result for v in bench.verdicts() if v.seq is not None] == [Result.PASS]
    told = bench.air.take(LineState)[-1]
    assert (told.state, told.inspection_ok, told.detail) == (State.RUNNING, True, "c: brightness -30%")
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

    def run(first: int, last: int, value: float, **look: float) -> list[tuple[Result, Reason | None]]:
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


def test_a_roll_that_begins_with_defects_is_not_called_another_style() -> None:
    """Defects among the first metres stay defects, and good frames between them pass."""
    bench = Bench(standards={"": replace(STANDARD, good={"": GOOD})})
    for seq in range(40):
        bench.announce(seq, level=100.0, texture=8.0)
        bench.score(seq, 0.9 if seq in (0, 1, 7, 8, 9) else 0.1, calm=0.1)
    results = [v.result for v in bench.verdicts()]
    assert [n for n, r in enumerate(results) if r is Result.DEFECT] == [0, 1, 7, 8, 9]
    assert Result.NOT_INSPECTED not in results


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
