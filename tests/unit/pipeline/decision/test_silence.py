"""One camera's silence on the cloth, by its own offset, frame by frame and as the cloth moves."""

from __future__ import annotations

import pytest

from pipeline.decision.silence import Silence
from pipeline.messages.frames import Announced
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState
from pipeline.messages.values import Span
from tests.decision_bench import Bench


def frame(start_mm: float | None, end_mm: float | None) -> Announced:
    return Announced(
        camera="c", boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, start_mm=start_mm, end_mm=end_mm, sent=True, budget_ms=None
    )


def motion(position_mm: float, speed_mm_s: float = 0.0, state: MotionState = MotionState.MOVING) -> Motion:
    return Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source="t", t_mono_ns=0)


@pytest.mark.parametrize("skipped_mm", [0.002, 0.1, 4.9, 200.0])
def test_the_least_cloth_between_two_frames_is_told(skipped_mm: float) -> None:
    silence = Silence(50.0)
    assert silence.announced(frame(-30.0, 20.0)) is None
    assert silence.announced(frame(20.0 + skipped_mm, 70.0 + skipped_mm)) == Span(20.0, 20.0 + skipped_mm)
    assert silence.spoken_mm == 70.0 + skipped_mm


def test_frames_that_meet_to_a_micrometre_leave_nothing_out() -> None:
    silence = Silence(50.0)
    assert [silence.announced(frame(mm, mm + 50.0)) for mm in (0.0, 50.001, 100.0005)] == [None] * 3


def test_a_frame_further_back_takes_nothing_back() -> None:
    silence = Silence(50.0)
    for start_mm in (100.0, 150.0, 80.0, 20.0, 150.5):  # the cloth ran back, and on again to where it was
        assert silence.announced(frame(start_mm, start_mm + 50.0)) is None
        assert silence.spoken_mm == (150.0 if start_mm == 100.0 else 200.0)
    assert silence.announced(frame(199.0, 249.0)) is None and silence.spoken_mm == 249.0
    assert silence.announced(frame(250.0, 300.0)) == Span(249.0, 250.0)


@pytest.mark.parametrize("at_mm", [-1e6, 0.0, 1e6])
def test_a_frame_speaks_where_more_than_a_fiftieth_of_it_is_new_wherever_it_lies(at_mm: float) -> None:
    silence = Silence(50.0, at_mm)
    for end_mm, spoken_mm in ((0.9, 0.0), (1.1, 1.1), (2.0, 1.1), (11.1, 11.1)):
        assert silence.announced(frame(at_mm + end_mm - 50.0, at_mm + end_mm)) is None
        assert silence.spoken_mm == at_mm + spoken_mm


def test_a_frame_without_a_place_says_nothing_of_the_cloth() -> None:
    silence = Silence(50.0, 10.0)
    assert silence.announced(frame(None, None)) is None and silence.spoken_mm == 10.0


@pytest.mark.parametrize("offset_mm", [-700.0, 0.0, 700.0])
def test_a_camera_before_or_behind_the_zero_looks_at_other_cloth(offset_mm: float) -> None:
    silence = Silence(50.0, None, offset_mm)
    silence.begin(motion(1000.0))
    silence.begin(motion(1400.0))  # only the first word counts
    assert silence.spoken_mm == 1000.0 + offset_mm
    assert silence.moved(motion(1000.0 + 62.4)) is None  # a frame and a quarter of one
    assert silence.moved(motion(1000.0 + 62.6)) == Span(1000.0 + offset_mm, 1050.0 + offset_mm)
    assert silence.moved(motion(1000.0 + 62.6)) is None
    assert silence.moved(motion(1000.0 + 222.6)) == Span(1050.0 + offset_mm, 1200.0 + offset_mm)


def test_both_cameras_of_a_line_are_missed_by_their_own_offsets() -> None:
    bench = Bench(("c", "d"), y_offset_mm={"d": -300.0})
    bench.move(0.0, 10.0)
    bench.move(70.0, 10.0)
    silent = [(v.camera, v.start_mm, v.end_mm) for v in bench.verdicts()]
    assert silent == [("c", 0, 50), ("d", -300, -250)]


@pytest.mark.parametrize("state", [s for s in MotionState if s is not MotionState.MOVING])
def test_cloth_that_does_not_run_on_is_not_missed(state: MotionState) -> None:
    silence = Silence(50.0, 0.0)
    assert silence.moved(motion(500.0, state=state)) is None and silence.spoken_mm == 0.0
    assert silence.moved(motion(500.0)) == Span(0.0, 450.0)


def test_fast_cloth_has_run_further_before_its_frame_is_announced() -> None:
    silence = Silence(100.0, 0.0)
    assert silence.moved(motion(100.0 + 25.0 + 499.0, 2000.0)) is None  # 0.25 s later
    assert silence.moved(motion(100.0 + 25.0 + 501.0, 2000.0)) == Span(0.0, 100.0)


def test_the_longest_frame_so_far_says_how_often_they_are_due() -> None:
    unknown = Silence(None, 0.0)
    assert unknown.moved(motion(124.9)) is None
    assert unknown.announced(frame(0.0, 40.0)) is None
    assert unknown.moved(motion(89.9)) is None
    assert unknown.moved(motion(90.1)) == Span(40.0, 80.0)
    stated = Silence(50.0, 0.0)
    assert stated.announced(frame(0.0, 80.0)) is None
    assert stated.moved(motion(179.9)) is None
    assert stated.moved(motion(180.1)) == Span(80.0, 160.0)
