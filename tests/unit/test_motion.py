"""Motion: a simulated web follows its segments, a recorded one its file, and everybody hears the same first position."""

import json
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.config import RecordedMotion, Segment, SimulatedMotion
from pipeline.messages import Motion, MotionState, StageState, Status
from pipeline.motion import MotionStage, RecordedWeb, SimulatedWeb, make_web
from tests.fakes import Box

MS = 1_000_000
CONFIG = SimulatedMotion(
    source="simulated",
    speed_mm_s=100,
    segments=(Segment(seconds=2, speed_mm_s=300), Segment(seconds=1, speed_mm_s=0), Segment(seconds=1, speed_mm_s=-50)),
)


@pytest.mark.parametrize(
    ("elapsed_s", "position_mm", "speed_mm_s"),
    [(0, 0, 300), (1, 300, 300), (2, 600, 0), (2.9, 600, 0), (3.5, 575, -50), (4, 550, 100), (14, 1550, 100)],
)
def test_segments_then_the_final_speed(elapsed_s: float, position_mm: float, speed_mm_s: float) -> None:
    assert SimulatedWeb(CONFIG).at(elapsed_s) == (pytest.approx(position_mm), speed_mm_s)


def test_a_recorded_web_moves_as_written_and_rests_at_its_end(tmp_path: Path) -> None:
    lines = [{"t_mono_ns": 5_000 * MS + t * MS, "position_mm": p} for t, p in [(0, 10), (1000, 110), (3000, 110)]]
    (tmp_path / "motion.jsonl").write_text("\n".join(map(json.dumps, lines)))
    web = make_web(RecordedMotion(source="recorded", path=tmp_path))
    assert web.at(0.5) == (pytest.approx(60), pytest.approx(100))
    assert web.at(2.0) == (110, 0)
    assert web.at(99.0) == (110, 0)


@pytest.mark.parametrize("text", [None, "", "{}\n{}", "no json\n", '{"t_mono_ns": 1, "position_mm": 2}'])
def test_a_bad_recording_is_one_line(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "motion.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as caught:
        RecordedWeb(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_web_starts_when_everybody_has_heard() -> None:
    here, late = Box(), Box(room=0)
    stage = MotionStage(SimulatedWeb(CONFIG), here, [late])
    for t in range(0, 5000, 100):
        stage.step(t * MS)
    late.room = 99
    stage.step(5000 * MS)
    for t in range(5000, 6001, 5):
        stage.step(t * MS)
    heard = late.take(Motion)
    assert heard[0].position_mm == 0
    assert heard[-1].position_mm == pytest.approx(300) and len(heard) == 51
    assert heard[-1].state is MotionState.MOVING
    assert stage.counters == {"elapsed_s": pytest.approx(1.0)}


def test_a_restart_goes_on_where_it_was() -> None:
    box = Box()
    stage = MotionStage(SimulatedWeb(CONFIG), box, [], generation=1, elapsed_s=2.5)
    stage.step(0)
    (first,) = box.take(Motion)
    assert (first.position_mm, first.state) == (600, MotionState.STOPPED)


def test_it_tells_decision_once_that_it_is_there_again() -> None:
    box = Box(room=0)
    stage = MotionStage(SimulatedWeb(CONFIG), box, [], generation=4)
    stage.step(0)
    box.room = 99
    for t in range(0, 100, 5):
        stage.step(t * MS)
    assert [(s.role, s.generation, s.state) for s in box.take(Status)] == [("motion", 4, StageState.READY)]
