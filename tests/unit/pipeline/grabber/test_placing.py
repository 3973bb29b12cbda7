"""Where rows lie: by counted rows, by the cloth's position, by a track, and by counts that came with the shots."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.config.cameras import CameraConfig, ReplayConfig
from pipeline.config.motion import CameraMotion
from pipeline.grabber.placing import Placing
from pipeline.grabber.track import Ran
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState
from tests.fakes import shot

MS = 1_000_000
STEP_MM, AHEAD_MM = 0.5, -30.0  # a pitch, and a second camera 30 mm further on
ENCODER = CameraMotion(source="camera", camera="c", counts_per_mm=-10, bits=16)  # wired the other way round


def config(**facts: object) -> CameraConfig:
    entry = {"name": "c", "source": "replay", "path": ".", "mm_per_px_y": STEP_MM, "y_offset_mm": AHEAD_MM, **facts}
    return ReplayConfig.model_validate(entry)


def placing(self_timed: bool = False, on_motion: bool = True, encoder: Any = None, known: bool = True, **facts: Any) -> Placing:
    return Placing(config(**facts), encoder, self_timed=self_timed, on_motion=on_motion, position_known=known)


def motion(position_mm: float, speed_mm_s: float = 0.0, t_ns: int = 0) -> Motion:
    return Motion(
        position_mm=position_mm, speed_mm_s=speed_mm_s, state=MotionState.MOVING, source="t", t_mono_ns=t_ns
    )  # fmt: skip


def test_without_motion_rows_are_counted_from_the_cameras_own_offset_or_lie_nowhere() -> None:
    assert placing(on_motion=False).span_mm(100, 40) == (20, 40)
    assert placing(on_motion=False, mm_per_px_y=None).span_mm(100, 40) == (None, None)
    assert placing(on_motion=False, known=False).span_mm(100, 40) == (None, None)


def test_the_cloths_position_is_that_under_this_camera_at_that_time() -> None:
    p = placing()
    assert p.position_mm(0) is None
    p.motion = motion(1000, 200, t_ns=100 * MS)
    assert p.position_mm(350 * MS) == 1000 + 50 + AHEAD_MM


def test_triggered_pictures_follow_upon_each_other_from_where_the_cloth_was_first_heard_of() -> None:
    p = placing()
    p.motion = motion(1000)
    p.start(p.motion)
    p.start(motion(9999))  # row 0 has its place
    p.motion = motion(1007.3)  # that the pulse comes late does not shift the picture
    assert p.add(shot(0, rows=40), 0) is Ran.FORWARD
    assert p.span_mm(0, 40) == (970, 990) and p.span_mm(40, 40) == (990, 1010)
    assert p.next_middle_mm(0, 40, 40) == 1000


def test_a_picture_that_times_itself_ends_where_the_cloth_stood_when_it_came() -> None:
    p = placing(self_timed=True)
    p.motion = motion(1000, 200)
    assert p.next_middle_mm(1000 * MS, 0, 40) == 1200 + AHEAD_MM - 10
    for row, t_ns in ((0, 0), (40, 700 * MS)):  # cloth that nobody saw lies between them
        p.add(shot(0, rows=40, t_ns=t_ns), row)
        assert p.span_mm(row, 40) == (950 + 200 * t_ns / 1e9, 970 + 200 * t_ns / 1e9)


def test_rows_taken_in_reverse_span_from_the_lower_place_to_the_higher() -> None:
    p = placing(self_timed=True, rows=40)
    ran = []
    for i, position_mm in enumerate((120, 140, 135, 115)):
        p.motion = motion(position_mm)
        ran.append(p.add(shot(i, rows=40), 40 * i))
    assert ran == [Ran.FORWARD, Ran.FORWARD, Ran.TURNED, Ran.BACK]
    assert p.span_mm(40, 40) == (90, 110) and p.span_mm(120, 40) == (85, 105)
    assert (p.mm(120), p.mm(160)) == (105, 85)


def test_rows_that_the_encoder_does_not_know_of_are_astray_and_say_why() -> None:
    p = placing(self_timed=True, rows=40, rows_tolerance_mm=5)
    p.motion = motion(20)
    assert p.add(shot(0, rows=40), 0) is Ran.FORWARD and p.error == ""
    assert p.add(shot(1, rows=40), 40) is Ran.ASTRAY and "40 rows are 20.0 mm, the encoder says 0.0 mm" in p.error


def test_counts_that_come_with_the_shots_overrule_the_messages_until_the_counter_jumps() -> None:
    p = placing(self_timed=True, encoder=ENCODER)
    p.motion = motion(1000)
    first = replace(shot(0, rows=40), encoder_count=100)
    p.add(first, 0)
    p.motion = motion(1003)  # late, as messages are
    p.add(replace(first, t_mono_ns=100 * MS, encoder_count=65_436), 40)  # 200 counts down, over 0: 20 mm forward
    assert p.span_mm(40, 40) == (970, 990)
    p.add(replace(first, t_mono_ns=200 * MS, encoder_count=30_000), 80)  # no cloth runs so fast: begun anew from the message
    assert p.span_mm(80, 40) == (953, 973)


@pytest.mark.parametrize("count", [None, 100])
def test_a_shot_is_placed_by_the_message_where_count_or_encoder_is_missing(count: int | None) -> None:
    p = placing(self_timed=True, encoder=None if count else ENCODER)
    for row, position_mm in ((0, 1000), (40, 1044)):
        p.motion = motion(position_mm)
        p.add(replace(shot(0, rows=40), encoder_count=count), row)
        assert p.span_mm(row, 40) == (position_mm - 50, position_mm - 30)


def test_recorded_pictures_lie_where_they_were_taken_unless_the_line_has_a_motion_of_its_own() -> None:
    recorded = [replace(shot(0, rows=40), span_mm=(7.0, 27.0)), replace(shot(1, rows=40), span_mm=(57.0, 47.0))]
    p = placing(on_motion=False, known=False)
    assert [p.add(s, 40 * n) for n, s in enumerate(recorded)] == [Ran.FORWARD, Ran.BACK]
    assert p.span_mm(0, 40) == (7, 27) and p.span_mm(40, 40) == (47, 57), "the lower place first"
    assert p.add(shot(2, rows=40), 80) is Ran.FORWARD and p.span_mm(80, 40) == (None, None), "nobody knows of this one"
    p = placing()
    p.motion = motion(1000)
    p.start(p.motion)
    assert p.add(recorded[1], 0) is Ran.FORWARD and p.span_mm(0, 40) == (970, 990)
