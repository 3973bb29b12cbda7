"""Recording a line: what is written can be replayed; how it ends, and what it refuses."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.events import Pass
from pipeline.cameras import CameraLost, Shot, make_camera
from pipeline.cameras.recording import Recording, RecordingWriter
from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import ReplayConfig, WeaveConfig
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.config.motion import SimulatedMotion
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState
from pipeline.motion.played import SimulatedCourse
from pipeline.supervision import recording
from pipeline.supervision.filming import FilmedCamera
from pipeline.supervision.recording import RecordedCamera, record
from tests.fakes import ScriptCamera, shot
from tools.cli import main

SCALE = "mm_per_px_x: 0.5, mm_per_px_y: 0.5"
LEFT = f"{{name: left, source: weave, width_px: 96, frame_rows: 32, {SCALE}}}"
RIGHT = f"{{name: right, source: weave, width_px: 96, frame_rows: 64, seed: 1, frames: 3, y_offset_mm: -300, {SCALE}}}"
BARE = "{name: bare, source: weave, width_px: 96, frame_rows: 32}"
ENCODER = "motion: {source: udp, counts_per_mm: 10}\n"


def line(tmp_path: Path, *cameras: str, head: str = "") -> str:
    path = tmp_path / "line.yaml"
    path.write_text(head + "cameras:\n" + "".join(f"  - {c}\n" for c in cameras))
    return str(path)


def test_frames_of_two_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = line(tmp_path, LEFT, RIGHT, head=ENCODER), tmp_path / "out"
    assert main(["record", config, "--out", str(out), "--frames", "5", "--json"]) == 0
    printed = capsys.readouterr().out
    result = json.loads(printed)
    cameras = {
        "left": {"frames": 5, "damaged": 0, "lost": 0, "metres": 0.08},
        "right": {"frames": 3, "damaged": 0, "lost": 0, "metres": 0.096},
    }
    assert printed == json.dumps({"schema": 1, "out": str(out), "seconds": result["seconds"], "cameras": cameras}) + "\n"
    footage = Recording(out)
    left = WeaveConfig.model_validate(footage.cameras["left"]["config"])
    camera = make_camera(ReplayConfig(name="a", source="replay", path=out, camera="left"))
    assert camera.open()["frames"] == 5
    pixels = [s.pixels for s in camera.shots() if s and s.pixels is not None]
    assert np.array_equal(np.concatenate(pixels), render(left, 0, 160))
    frames = list(footage.frames("left"))
    assert [(f.start_mm, f.end_mm) for f in frames] == [(16.0 * n, 16.0 * (n + 1)) for n in range(5)]
    assert [f.start_mm for f in footage.frames("right")] == [-300.0, -268.0, -236.0], "it looks at cloth that comes later"
    motion = list(footage.motion())
    assert [m.position_mm for m in motion] == [16.0 * n for n in range(6)]
    assert [m.t_mono_ns for m in motion[1:]] == [f.t_mono_ns for f in frames]
    assert json.loads((out / "recording.json").read_text())["config_sha"] == load_config(Path(config)).sha


def test_simulated_cloth_runs_its_course_while_it_is_recorded(tmp_path: Path) -> None:
    """It stands, runs on, runs back, and runs on: pictures come as it gets further, each of the next cloth."""
    course = "segments: [{seconds: 0.15, speed_mm_s: 0}, {seconds: 0.2, speed_mm_s: 300}, {seconds: 0.1, speed_mm_s: -200}]"
    head = f"motion: {{source: simulated, speed_mm_s: 250, {course}}}\n"
    config, out = load_config(Path(line(tmp_path, LEFT, RIGHT, head=head))), tmp_path / "out"
    recorded = record(config, out, frames=6)
    footage = Recording(out)
    motion = list(footage.motion())
    assert {m.source for m in motion} == {"simulated"} and {m.state for m in motion} == {"STOPPED", "MOVING", "REVERSE"}
    assert isinstance(config.motion, SimulatedMotion)
    at = SimulatedCourse(config.motion).at
    began_ns = motion[0].t_mono_ns
    for m in motion:
        assert m.position_mm == pytest.approx(at((m.t_mono_ns - began_ns) / 1e9)[0], abs=1e-3)
    for name, length_mm, offset_mm in (("left", 16.0, 0.0), ("right", 32.0, -300.0)):
        frames = list(footage.frames(name))
        assert frames[0].start_mm == offset_mm and frames[0].t_mono_ns >= began_ns + 150e6, "not while it stands"
        for before, after in itertools.pairwise(frames):
            lost_mm = (after.block_id - before.block_id - 1) * length_mm
            assert after.start_mm == before.end_mm + lost_mm
            assert after.end_mm - after.start_mm == length_mm
            reached_mm = at((after.t_mono_ns - began_ns) / 1e9)[0]
            assert reached_mm > after.end_mm - offset_mm - 12, "it was there, as far as the motion's last word told"
        lost = frames[-1].block_id + 1 - len(frames)
        counts = recorded.cameras[name]
        assert (counts.frames, counts.lost) == (len(frames), lost)
        assert counts.metres == pytest.approx((len(frames) + lost) * length_mm / 1000)


def test_what_is_recorded_again_keeps_its_places(tmp_path: Path) -> None:
    spans = [(30.0, 46.0), (62.0, 78.0), (78.0, 62.0)]
    with RecordingWriter(tmp_path / "first", "", 0) as writer:
        writer.add_camera("a", {})
        for n, (start_mm, end_mm) in enumerate(spans):
            pixels = np.full((32, 20), n, np.uint8)
            writer.write("a", Shot(pixels=pixels, rows=32, block_id=n, t_mono_ns=n, t_utc_ns=n), start_mm, end_mm)
    camera = {"name": "b", "source": "replay", "path": tmp_path / "first", "mm_per_px_y": 0.5}
    recorded = record(LineConfig.model_validate({"cameras": [camera]}), tmp_path / "again")
    assert [f.span_mm for f in Recording(tmp_path / "again").frames("b")] == spans
    assert recorded.cameras["b"].metres == 0.048


class Ticking:
    """A camera that times itself: a picture of 10 rows each 20 ms, whatever the cloth does."""

    self_timed = True
    noisy = False

    def open(self) -> dict[str, Any]:
        return {}

    def trigger(self) -> None:
        raise AssertionError("it times itself")

    def shots(self) -> Any:
        for block_id in itertools.count():
            time.sleep(0.02)
            pixels = np.full((10, 20), block_id, np.uint8)
            yield Shot(pixels=pixels, rows=10, block_id=block_id, t_mono_ns=time.monotonic_ns(), t_utc_ns=0)

    def close(self) -> None: ...


def test_pictures_of_a_camera_that_times_itself_lie_where_the_cloth_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "make_camera", lambda config: Ticking())
    camera = {"name": "t", "source": "weave", "mm_per_px_y": 0.5, "y_offset_mm": 40.0}
    config = LineConfig.model_validate({"cameras": [camera], "motion": {"source": "simulated", "speed_mm_s": 400}})
    recorded = record(config, tmp_path / "out", frames=5)
    footage = Recording(tmp_path / "out")
    began_ns = next(iter(footage.motion())).t_mono_ns
    frames = list(footage.frames("t"))
    for frame in frames:
        assert frame.end_mm == pytest.approx(40 + 400 * (frame.t_mono_ns - began_ns) / 1e9, abs=1e-3)
        assert frame.end_mm - frame.start_mm == pytest.approx(5.0)
    assert recorded.cameras["t"].metres == pytest.approx((frames[-1].end_mm - frames[0].start_mm) / 1000, abs=1e-6)


class Sticking(Ticking):
    """A camera that takes a picture of 10 rows when it is told to; the first takes 0.1 s, the third 0.3 s."""

    self_timed = False
    noisy = False

    def trigger(self) -> None: ...

    def shots(self) -> Any:
        for block_id in itertools.count():
            time.sleep({0: 0.1, 2: 0.3}.get(block_id, 0))
            pixels = np.zeros((10, 20), np.uint8)
            yield Shot(pixels=pixels, rows=10, block_id=block_id, t_mono_ns=time.monotonic_ns(), t_utc_ns=0)


def test_cloth_does_not_wait_for_a_camera_that_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "make_camera", lambda config: Sticking())
    cameras = [{"name": n, "source": "weave", "mm_per_px_y": 0.5, "y_offset_mm": mm} for n, mm in (("s", 0), ("t", -7))]
    config = LineConfig.model_validate({"cameras": cameras, "motion": {"source": "simulated", "speed_mm_s": 250}})
    recorded = record(config, tmp_path / "out", frames=6)
    for name, offset_mm in (("s", 0), ("t", -7)):
        frames = list(Recording(tmp_path / "out").frames(name))
        assert recorded.cameras[name].lost == frames[-1].block_id + 1 - 6 >= 7, "pictures of 20 ms were let go for 0.3 s"
        assert [f.start_mm for f in frames] == pytest.approx([5.0 * f.block_id + offset_mm for f in frames])


def test_a_line_scan_camera_under_cloth_that_runs_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "make_camera", lambda config: Ticking())
    camera = {"name": "t", "source": "weave", "mm_per_px_y": 0.5, "rows": 10, "rows_tolerance_mm": 1000.0}
    segments = [{"seconds": 0.2, "speed_mm_s": 250}]
    motion = {"source": "simulated", "speed_mm_s": -250, "segments": segments}
    config = LineConfig.model_validate({"cameras": [camera], "motion": motion})
    record(config, tmp_path / "out", frames=18)
    spans = [f.span_mm for f in Recording(tmp_path / "out").frames("t")]
    turned = spans.index(None)
    assert spans.count(None) == 1 and turned >= 3, "where it turned nobody knows the rows' place"
    assert all(span and span[0] < span[1] for span in spans[:turned])
    assert all(span and span[0] > span[1] for span in spans[turned + 1 :]), "the lower place is the last row's"


def test_metres(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", line(tmp_path, LEFT), "--out", str(tmp_path / "out"), "--metres", "0.05", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cameras"]["left"] == {"frames": 4, "damaged": 0, "lost": 0, "metres": 0.064}
    assert list(Recording(tmp_path / "out").motion()) == []  # none is configured


def test_without_scale_lengths_are_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = line(tmp_path, BARE, head=ENCODER)
    assert main(["record", config, "--out", str(tmp_path / "out"), "--frames", "2"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "2 pictures of 1 camera(s)" in shown.err
    assert [(f.start_mm, f.end_mm) for f in Recording(tmp_path / "out").frames("bare")] == [(None, None)] * 2


class Faulty:
    """A camera that damages, loses and finally is lost."""

    self_timed = False
    noisy = False

    def open(self) -> dict[str, Any]:
        return {}

    def trigger(self) -> None: ...

    def shots(self) -> Any:
        yield None
        for block_id in (0, 1, 4):
            pixels = None if block_id == 1 else np.zeros((10, 20), np.uint8)
            error = "bad" if pixels is None else ""
            yield Shot(pixels=pixels, rows=10, block_id=block_id, t_mono_ns=1 + block_id, t_utc_ns=0, error=error)
        raise CameraLost("gone")

    def close(self) -> None: ...


def faulty_line() -> LineConfig:
    camera = {"name": "f", "source": "weave", "mm_per_px_y": 1.0}
    return LineConfig.model_validate({"cameras": [camera], "motion": {"source": "udp", "counts_per_mm": 10}})


def test_damage_loss_and_a_lost_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "make_camera", lambda config: Faulty())
    told: list[Pass] = []
    recorded = record(faulty_line(), tmp_path / "a", frames=3, report=told.append)
    assert recorded.cameras["f"] == RecordedCamera(frames=3, damaged=1, lost=2, metres=0.05)
    assert told == [Pass("recording", n, 3) for n in (1, 2, 3)]
    assert [(f.start_mm, f.status) for f in Recording(tmp_path / "a").frames("f")] == [
        (0.0, "OK"),
        (10.0, "DAMAGED"),
        (40.0, "OK"),
    ]
    with pytest.raises(InputError, match="camera lost: gone"):
        record(faulty_line(), tmp_path / "b", frames=4)
    assert Recording(tmp_path / "b").cameras["f"]["frames"] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_endless_camera(tmp_path: Path, number: signal.Signals) -> None:
    config = load_config(Path(line(tmp_path, LEFT)))
    before = signal.getsignal(number)
    recorded = record(config, tmp_path / "out", report=lambda event: os.kill(os.getpid(), number))
    assert signal.getsignal(number) is before
    footage = Recording(tmp_path / "out")
    assert recorded.frames == footage.cameras["left"]["frames"] == len(list(footage.frames("left"))) >= 1


def test_the_caller_can_stop_it(tmp_path: Path) -> None:
    told: list[Pass] = []
    config = load_config(Path(line(tmp_path, LEFT, RIGHT)))
    recorded = record(config, tmp_path / "out", stop=lambda: len(told) >= 4, report=told.append)
    assert {name: c.frames for name, c in recorded.cameras.items()} == {"left": 2, "right": 2}


@pytest.mark.parametrize(
    ("cameras", "options", "said"),
    [
        ([], [], "no cameras"),
        ([LEFT], ["--frames", "0"], "nothing to record"),
        ([LEFT], ["--metres", "-1"], "nothing to record"),
        ([LEFT, BARE], ["--metres", "1"], "--metres without a scale, camera bare"),
        (["{name: r, source: replay, path: nowhere}"], [], "nothing to replay, nowhere"),
        ([LEFT], ["--metres", "1", "--frames", "2"], "not allowed with"),
    ],
)
def test_refusals(
    tmp_path: Path, cameras: list[str], options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = line(tmp_path, *cameras) if cameras else str(tmp_path / "empty.yaml")
    (tmp_path / "empty.yaml").write_text("cameras: []\n")
    try:
        status = main(["record", config, "--out", str(tmp_path / "out"), *options])
    except SystemExit as e:  # argparse
        status = int(str(e.code))
    error = capsys.readouterr().err
    assert status == 2 and said in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = line(tmp_path, LEFT)
    assert main(["record", config, "--out", str(tmp_path / "out"), "--frames", "1"]) == 0
    assert main(["record", config, "--out", str(tmp_path / "out"), "--frames", "1"]) == 2
    assert "not empty" in capsys.readouterr().err
    assert len(list(Recording(tmp_path / "out").frames("left"))) == 1


class Filmed:
    """A triggered camera of 10 rows of 1 mm, filmed while the cloth is where a test says."""

    def __init__(self, writer: RecordingWriter, *shots: Shot | None) -> None:
        entry = WeaveConfig.model_validate({"name": "f", "source": "weave", "mm_per_px_y": 1.0})
        self.camera, self.writer = ScriptCamera(list(shots)), writer
        self.filmed = FilmedCamera(entry, self.camera, {}, on_course=True)
        self.writer.add_camera("f", {})

    def take(self, position_mm: float, times: int) -> int:
        word = Motion(position_mm=position_mm, speed_mm_s=100.0, state=MotionState.MOVING, source="t", t_mono_ns=0)
        self.filmed.hear(word)
        return sum(self.filmed.take(0, self.writer) for _ in range(times))


def test_a_filmed_camera_that_does_not_answer_is_asked_once_for_each_picture_of_the_cloth(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "f", "", 0) as writer:
        bench = Filmed(writer, shot(0, rows=10), *[None] * 60, shot(3, rows=10))
        assert bench.take(0.0, 5) == 1 and bench.camera.pulses == 1
        assert bench.take(21.0, 20) == 0 and bench.camera.pulses == 2
        assert bench.take(31.0, 20) == 0 and bench.camera.pulses == 3
        assert bench.take(41.0, 25) == 1 and bench.camera.pulses == 4
    assert (bench.filmed.lost, bench.filmed.rows) == (2, 40)


@pytest.mark.parametrize(("to", "rows", "lost"), [(5000, 50, 4999), (2, 30, 1), (0, 20, 0)])
def test_however_a_filmed_camera_s_counter_leaps_no_picture_lies_ahead_of_the_cloth(
    tmp_path: Path, to: int, rows: int, lost: int
) -> None:
    with RecordingWriter(tmp_path / "f", "", 0) as writer:
        bench = Filmed(writer, shot(0, rows=10), shot(to, rows=10))
        bench.take(0.0, 1)
        assert bench.take(50.0, 1) == 1
    assert (bench.filmed.lost, bench.filmed.rows) == (lost, rows)
