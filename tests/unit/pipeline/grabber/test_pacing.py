"""When a picture is due: at its rate, as the cloth moves on, or at once; and how many the cloth has run past."""

import pytest

from pipeline.config.cameras import CameraConfig, ReplayConfig
from pipeline.grabber.pacing import MAX_BEHIND, Pacing
from pipeline.grabber.placing import Placing
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState

MS = 1_000_000
ROWS = 40  # 20 mm a picture


def config(**facts: object) -> CameraConfig:
    return ReplayConfig.model_validate({"name": "c", "source": "replay", "path": ".", "mm_per_px_y": 0.5, **facts})


def pacing(self_timed: bool = False, on_motion: bool = False, **facts: object) -> tuple[Pacing, Placing]:
    entry = config(**facts)
    placing = Placing(entry, None, self_timed=self_timed, on_motion=on_motion, position_known=True)
    return Pacing(entry, placing, self_timed=self_timed, on_motion=on_motion), placing


def motion(position_mm: float, state: MotionState = MotionState.MOVING) -> Motion:
    return Motion(position_mm=position_mm, speed_mm_s=0, state=state, source="t", t_mono_ns=0)


def test_a_rate_that_was_held_up_does_not_hurry_after() -> None:
    clock, _ = pacing(rate=10.0)
    due_ms = [ms for ms in (0, 99, 100, 350, 360, 449, 450) if clock.due(ms * MS, 0, ROWS)]
    assert due_ms == [0, 100, 350, 360, 450]  # of those of 200 and 300 ms one is caught up
    assert clock.wait_ns(455 * MS) == 95 * MS


def test_the_cloth_asks_for_a_picture_when_it_has_run_its_length_past_the_second_camera() -> None:
    clock, placing = pacing(on_motion=True, y_offset_mm=-30.0)
    assert clock.due(0, 0, 0) == 0  # nothing was heard of the cloth
    placing.motion = motion(1000, MotionState.STOPPED)
    assert clock.due(0, 0, 0) == 0 and placing.mm(0) == 970  # its place is known, it rests
    placing.motion = motion(1000)
    assert clock.due(0, 0, 0) == 1  # the first is taken at once
    placing.motion = motion(1039.9)
    assert clock.due(0, ROWS, ROWS) == 0
    placing.motion = motion(1040)
    assert clock.due(0, ROWS, ROWS) == 1


@pytest.mark.parametrize("state", [MotionState.STOPPED, MotionState.REVERSE])
def test_cloth_that_does_not_run_forward_asks_for_nothing(state: MotionState) -> None:
    clock, placing = pacing(on_motion=True)
    placing.motion = motion(0)
    clock.due(0, 0, 0)
    placing.motion = motion(500, state)
    assert clock.due(0, ROWS, ROWS) == 0


def test_a_trigger_far_behind_the_cloth_lets_all_but_the_last_go() -> None:
    clock, placing = pacing(on_motion=True)
    placing.motion = motion(0)
    clock.due(0, 0, 0)
    placing.motion = motion(20 * (MAX_BEHIND + 1) - 0.5)
    assert clock.due(0, ROWS, ROWS) == 1  # it can still catch up
    placing.motion = motion(20 * (MAX_BEHIND + 3) + 7)
    assert clock.due(0, ROWS, ROWS) == MAX_BEHIND + 2


def test_a_camera_that_neither_rate_nor_cloth_paces_is_asked_at_once_and_can_wait_for_the_line() -> None:
    clock, _ = pacing()
    assert clock.free and clock.due(0, 0, ROWS) == clock.due(0, 0, ROWS) == 1 and clock.wait_ns(7) <= 0
    assert pacing(on_motion=True, mm_per_px_y=None)[0].free
    assert not pacing(self_timed=True)[0].free and not pacing(rate=5.0)[0].free and not pacing(on_motion=True)[0].free


def test_a_camera_that_times_itself_is_always_asked_however_the_cloth_moves() -> None:
    clock, placing = pacing(self_timed=True, on_motion=True)
    placing.motion = motion(0, MotionState.STOPPED)
    assert clock.due(0, 0, 0) == clock.due(0, 40, ROWS) == 1
