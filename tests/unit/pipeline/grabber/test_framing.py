"""How rows become frames: slabs, numbers, losses, edges, lamp, and what is announced of each."""

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.cameras.protocol import Shot
from pipeline.config.cameras import ReplayConfig
from pipeline.grabber.camera_style import CameraStyle
from pipeline.grabber.framing import Framing, Waiting
from pipeline.grabber.placing import Placing
from pipeline.messages.motion import Motion
from pipeline.messages.states import FrameStatus, MotionState
from tests.fakes import ScriptCamera, shot

SCALE = {"mm_per_px_x": 0.2, "mm_per_px_y": 0.5}


def framing(self_timed: bool = False, on_motion: bool = False, **facts: Any) -> tuple[Framing, Placing]:
    config = ReplayConfig.model_validate({"name": "right", "source": "replay", "path": ".", **SCALE, **facts})
    placing = Placing(config, None, self_timed=self_timed, on_motion=on_motion, position_known=True)
    return Framing(config, placing, CameraStyle(ScriptCamera([]), "twill", {}), "b7", 250.0), placing


def ramp(number: int, rows: int) -> Shot:
    """Rows that go on where those of the shot before ended, each of a level of its own."""
    levels = np.arange(number * rows, (number + 1) * rows, dtype=np.uint8)
    return Shot(levels[:, None].repeat(64, axis=1), rows, number, number * 1000, 5)


def picture(waiting: Waiting) -> np.ndarray:
    return waiting.frame.pixels(waiting.pixels)


def test_shots_of_any_height_become_slabs_that_overlap_and_the_rest_comes_with_the_flush() -> None:
    f, _ = framing(rows=40, overlap_rows=8, y_offset_mm=100.0)
    made = [w for number in range(4) for w in f.add(ramp(number, 25))] + f.flush()
    assert [(w.frame.start_mm, w.frame.end_mm) for w in made] == [(100, 120), (116, 140), (136, 150)]
    assert [(picture(w)[0, 0], picture(w)[-1, 0]) for w in made] == [(0, 39), (32, 79), (72, 99)]
    assert [w.frame.t_mono_ns for w in made] == [1000, 3000, 3000]  # of the shot that completed it
    assert f.row == 100 and f.shot_rows == 25 and f.flush() == []


def test_a_gap_in_the_cameras_counter_skips_its_rows_and_is_told_once() -> None:
    f, _ = framing(rows=40)
    made = f.add(ramp(0, 25)) + f.add(ramp(3, 25)) + f.flush()
    assert [(w.frame.start_mm, w.frame.end_mm, w.lost) for w in made] == [(0, 12.5, 0), (37.5, 50, 2)]
    assert [w.frame.block_id for w in made] == [0, 3]
    assert f.lose(3, 20) == []
    (after,) = f.add(ramp(4, 40))
    assert (after.frame.start_mm, after.lost) == (80, 3)
    assert [w.frame.seq for w in made] == [0, 3] and after.frame.seq == 7  # those that are lost have numbers, too


def test_what_is_lost_before_the_camera_is_set_anew_has_numbers_of_the_new_start() -> None:
    f, _ = framing()
    f.add(ramp(0, 25))
    f.lose(2, 25)
    f.begin()
    (after,) = f.add(ramp(1, 25))
    assert (after.frame.boot_id, after.frame.seq, after.lost) == ("b7.1", 2, 2)


def test_what_was_held_comes_before_a_damaged_shot_which_keeps_its_rows() -> None:
    f, _ = framing(rows=40, overlap_rows=8)
    held, bad = f.add(ramp(0, 25)) + f.add(replace(ramp(1, 30), pixels=None))
    assert (held.frame.status, held.frame.end_mm) == (FrameStatus.OK, 12.5)
    assert (bad.frame.status, bad.error, bad.measures.level, bad.pixels) == (FrameStatus.DAMAGED, "damaged buffer", None, b"")
    assert (bad.frame.start_mm, bad.frame.end_mm) == (12.5, 27.5)


def test_a_buffer_taken_in_reverse_is_turned_the_right_way_up_and_that_of_the_turn_left_out() -> None:
    f, placing = framing(self_timed=True, on_motion=True, rows=40, y_offset_mm=-30.0)
    made: list[Waiting] = []
    for number, position_mm in enumerate((120, 140, 135, 115)):
        placing.motion = Motion(
            position_mm=position_mm, speed_mm_s=0, state=MotionState.MOVING, source="t", t_mono_ns=0
        )  # fmt: skip
        made += f.add(ramp(number, 40))
    assert [(w.frame.start_mm, w.frame.end_mm) for w in made] == [(70, 90), (90, 110), (85, 105)]
    assert (picture(made[2])[0, 0], picture(made[2])[-1, 0]) == (159, 120)


def test_new_settings_number_frames_anew_under_a_boot_id_of_their_own() -> None:
    f, _ = framing()
    keys = [w.frame.key for number in range(2) for w in f.add(shot(number))]
    for number in (2, 3):
        f.begin()
        keys += [w.frame.key for w in f.add(shot(number))]
    assert keys == [("right", "b7", 0), ("right", "b7", 1), ("right", "b7.1", 0), ("right", "b7.2", 0)]


def test_the_second_cameras_edges_and_borders_are_in_the_lines_millimetres() -> None:
    pixels = np.full((64, 512), 5, np.uint8)
    pixels[:, :400] = np.random.default_rng(1).integers(60, 190, (64, 400))
    f, _ = framing(selvage_mm=2.0, x_offset_mm=900.0, inspect_x_mm=(910.0, 9999.0))
    (made,) = f.add(replace(shot(0), pixels=pixels))
    assert made.frame.inspect_x_px == (50, 512) and made.frame.cloth_x_px == (0, 390)
    announced = made.announce(sent=True)
    assert announced.cloth_x_mm == (900, 980) and announced.x_offset_mm == 900
    assert announced.level is not None and abs(announced.level - float(pixels.mean())) < 1


def test_a_lamp_is_trimmed_and_one_beyond_its_bound_is_told_of() -> None:
    f, _ = framing(lamp={"columns_px": [0, 8], "level": 100, "most_gain": 1.25})
    pixels = np.full((64, 64), 80, np.uint8)
    pixels[:, 8:] = 40
    (trimmed,) = f.add(replace(shot(0), pixels=pixels))
    assert (trimmed.measures.lamp_gain, picture(trimmed)[0, 0], picture(trimmed)[0, -1]) == (1.25, 100, 50)
    (dark,) = f.add(replace(shot(1), pixels=pixels // 2))
    assert dark.frame.status is FrameStatus.LAMP and "at 40% of its level" in dark.error and dark.measures.level is None


def test_the_announcement_is_of_the_very_frame_and_says_whether_the_worker_has_it() -> None:
    f, _ = framing()
    made = f.add(Shot(None, 64, 0, 11, 22, error="x" * 900, origin="roll/7"))[0]
    announced = made.announce(sent=False)
    assert announced.key == made.frame.key and not announced.sent and announced.error == "x" * 500
    assert (announced.t_mono_ns, announced.t_utc_ns, announced.origin, announced.style) == (11, 22, "roll/7", "twill")
    assert announced.budget_ms == made.frame.budget_ms == 250 and announced.status is FrameStatus.DAMAGED
    assert (announced.start_mm, announced.end_mm, announced.mm_per_px_x, announced.mm_per_px_y) == (0, 32, 0.2, 0.5)


def test_a_slab_of_which_one_end_has_no_recorded_place_lies_nowhere() -> None:
    f, _ = framing(rows=40, overlap_rows=10)
    placed = [replace(ramp(n, 25), span_mm=(30.0 * n, 30.0 * n + 12.5)) for n in range(2)]
    made = [w for s in (*placed, ramp(2, 25), ramp(3, 25)) for w in f.add(s)] + f.flush()
    assert [(w.frame.start_mm, w.frame.end_mm) for w in made] == [(0, 37.5), (None, None), (None, None)]
