"""A budget counts from the frame's own time, less what the cloth stood still since, whoever slept meanwhile."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decision.due import Due
from pipeline.messages.frames import Announced
from pipeline.messages.motion import Motion
from pipeline.messages.reasons import Reason
from pipeline.messages.states import MotionState, Result
from tests.decision_bench import MS, Bench, outcome

LATE = (Result.NOT_INSPECTED, Reason.NO_SCORE)


def frame(t_ms: float = 0.0, camera: str = "near") -> Announced:
    return Announced(
        camera=camera, boot_id="b", seq=0, t_mono_ns=int(t_ms * MS), t_utc_ns=0, start_mm=0.0, end_mm=50.0, sent=True,
        budget_ms=100.0,
    )  # fmt: skip


def motion(t_ms: float, speed_mm_s: float = 0.0, position_mm: float = 0.0) -> Motion:
    state = MotionState.STOPPED if not speed_mm_s else MotionState.MOVING if speed_mm_s > 0 else MotionState.REVERSE
    return Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source="t", t_mono_ns=int(t_ms * MS))


def test_what_came_while_decision_slept_is_late_and_what_is_still_in_time_passes() -> None:
    bench = Bench()
    bench.decision.step(0)
    for seq in range(20):  # all found at once, six seconds later
        bench.announce(seq, t_mono_ns=300 * seq * MS)
        bench.score(seq)
    told = [v for v in bench.verdicts(5_790 * MS) if v.seq is not None]
    assert [outcome(v)[1:] for v in told] == [LATE] * 19 + [(Result.PASS, None)]
    assert told[0].latency_ms == 5_790 and bench.decision._totals(0).late_scores == 19


def test_decision_may_be_stopped_in_the_midst_of_a_step() -> None:
    bench = Bench()
    bench.decision._clock_ns = lambda: 150 * MS
    bench.announce(0)
    bench.score(0)
    (verdict,) = bench.verdicts(50 * MS)  # the step began in time
    assert outcome(verdict)[1:] == LATE and verdict.latency_ms == 150


@pytest.mark.parametrize("heard_ms", [99, 101])
def test_a_score_that_waited_for_its_frame_ages_too(heard_ms: int) -> None:
    bench = Bench()
    bench.score(0)
    assert bench.verdicts(0) == []
    bench.announce(0, t_mono_ns=0)
    (verdict,) = bench.verdicts(heard_ms * MS)
    assert (verdict.result is Result.PASS) == (heard_ms == 99)


@pytest.mark.parametrize(("t_ms", "detail"), [(1001, "its time is 1 ms ahead of this machine's clock"), (0, "")])
def test_a_frame_from_the_future_or_from_long_ago_is_late_from_the_first(t_ms: int, detail: str) -> None:
    bench = Bench()
    bench.announce(0, t_mono_ns=t_ms * MS)
    bench.score(0)
    (verdict,) = bench.verdicts(1000 * MS)
    assert (verdict.result, verdict.reason, verdict.detail) == (*LATE, detail)
    assert len(bench.decision._matching) == 0


def test_rest_counts_from_the_frame_s_own_time_alone() -> None:
    due = Due({"near": 1000.0})
    for t_ms in range(0, 1000, 20):
        due.hear(motion(t_ms))
    due.hear(motion(1000, 10.0))
    assert not due.over(frame(500), 1_100 * MS) and due.over(frame(500), 1_101 * MS)  # half of the rest was before it
    assert due.over(frame(500, "bare"), 601 * MS)  # no actuator: time is time
    assert not due.over(frame(990), 1_100 * MS) and due.over(frame(990), 1_101 * MS)
    assert due.over(frame(1_000), 1_101 * MS)


def test_cloth_rested_where_the_next_word_says_so_in_time() -> None:
    due = Due({"near": 1000.0})
    due.hear(motion(0))
    assert due.over(frame(), 101 * MS)  # it may have moved on by now
    due.hear(motion(90))
    assert not due.over(frame(), 190 * MS) and due.over(frame(), 191 * MS)
    due.hear(motion(3_000))  # whether it stood in between nobody knows
    assert due.over(frame(), 3_000 * MS)
    due.hear(motion(3_050, 10.0))
    assert due.over(frame(2_990), 3_141 * MS) and not due.over(frame(2_990), 3_140 * MS)


def test_no_rest_counts_twice_when_words_of_motion_come_out_of_order() -> None:
    due = Due({"near": 1000.0})
    for t_ms in (0, 50, 100, 60, 100, 60, 100, 60, 120):
        due.hear(motion(t_ms))
    assert not due.over(frame(), 220 * MS) and due.over(frame(), 221 * MS)


def test_cloth_goes_on_while_no_word_of_it_comes_and_never_back() -> None:
    due = Due({"near": 300.0})
    due.hear(motion(0, 10_000.0, 100.0))
    assert not due.over(frame(), 19 * MS) and due.over(frame(), 20 * MS)
    due.hear(motion(21, -10_000.0, 300.0))
    assert due.over(frame(20), 90 * MS)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_no_pass_is_older_than_its_budget_less_the_rest(seed: int) -> None:
    """Motion, frames and scores on time, and a decision that sleeps as it likes."""
    rng = random.Random(seed)
    bench = Bench(cameras=("near", "bare"), actuator_mm={"near": 100_000.0})
    rests: list[bool] = []
    at_mm, moves, todo, seq = 0.0, True, [], 0
    for tick in range(150):  # of 20 ms
        moves = moves if rng.random() < 0.95 else not moves
        rests.append(not moves)
        bench.move(at_mm, 500.0 * moves, now_ns=20 * tick * MS)
        at_mm += 10.0 * moves
        for camera in ("near", "bare"):
            if tick % 5 == 0:
                bench.announce(seq, camera, start_mm=at_mm, t_mono_ns=20 * tick * MS)
                todo.append((tick + rng.randrange(9), camera, seq))
        seq += tick % 5 == 0
        for late in [t for t in todo if t[0] == tick]:
            bench.score(late[2], camera=late[1])
        if rng.random() < 0.4:
            now_ms = 20 * tick + rng.randrange(20)
            while bench.inbox.queue:
                bench.decision.step(now_ms * MS)
            for v in bench.verdicts(now_ms * MS):
                if v.result is Result.PASS:
                    taken = 5 * v.seq
                    rested_ms = 20 * sum(rests[taken:]) if v.camera == "near" else 0
                    assert now_ms - 20 * taken - rested_ms <= 100 and v.latency_ms == now_ms - 20 * taken
    assert seq == 30


def test_a_rest_of_which_a_word_came_before_its_time_counts_up_to_now_alone() -> None:
    due = Due({"near": 1000.0})
    for t_ms in (120, 200):
        due.hear(motion(t_ms))
    assert not due.over(frame(), 100 * MS)
    assert due.over(frame(), 150 * MS)  # 120 ms of it had passed before the cloth stood
    assert not due.over(frame(50), 180 * MS)  # 70 ms
