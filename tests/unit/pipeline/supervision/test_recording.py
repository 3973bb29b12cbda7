"""Recording a line: what is written can be replayed; how it ends, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.events import Pass
from pipeline.cameras import CameraLost, Shot, make_camera
from pipeline.cameras.recording import Recording
from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import ReplayConfig, WeaveConfig
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.supervision import recording
from pipeline.supervision.recording import RecordedCamera, record
from tools.cli import main

SCALE = "mm_per_px_x: 0.5, mm_per_px_y: 0.5"
LEFT = f"{{name: left, source: weave, width_px: 96, frame_rows: 32, {SCALE}}}"
RIGHT = f"{{name: right, source: weave, width_px: 96, frame_rows: 64, seed: 1, frames: 3, {SCALE}}}"
BARE = "{name: bare, source: weave, width_px: 96, frame_rows: 32}"
MOTION = "motion: {source: simulated, speed_mm_s: 100}\n"


def line(tmp_path: Path, *cameras: str, head: str = "") -> str:
    path = tmp_path / "line.yaml"
    path.write_text(head + "cameras:\n" + "".join(f"  - {c}\n" for c in cameras))
    return str(path)


def test_frames_of_two_cameras(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = line(tmp_path, LEFT, RIGHT, head=MOTION), tmp_path / "out"
    assert main(["record", config, "--out", str(out), "--frames", "5", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == 1 and result["cameras"] == {
        "left": {"frames": 5, "damaged": 0, "lost": 0, "metres": 0.08},
        "right": {"frames": 3, "damaged": 0, "lost": 0, "metres": 0.096},
    }
    footage = Recording(out)
    left = WeaveConfig.model_validate(footage.cameras["left"]["config"])
    camera = make_camera(ReplayConfig(name="a", source="replay", path=out, camera="left"))
    assert camera.open()["frames"] == 5
    pixels = [s.pixels for s in camera.shots() if s and s.pixels is not None]
    assert np.array_equal(np.concatenate(pixels), render(left, 0, 160))
    frames = list(footage.frames("left"))
    assert [(f.start_mm, f.end_mm) for f in frames] == [(16.0 * n, 16.0 * (n + 1)) for n in range(5)]
    motion = list(footage.motion())
    assert [m.position_mm for m in motion] == [16.0 * n for n in range(6)]
    assert [m.t_mono_ns for m in motion[1:]] == [f.t_mono_ns for f in frames]
    assert json.loads((out / "recording.json").read_text())["config_sha"] == load_config(Path(config)).sha


def test_metres(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", line(tmp_path, LEFT), "--out", str(tmp_path / "out"), "--metres", "0.05", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cameras"]["left"] == {"frames": 4, "damaged": 0, "lost": 0, "metres": 0.064}
    assert list(Recording(tmp_path / "out").motion()) == []  # none is configured


def test_without_scale_lengths_are_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = line(tmp_path, BARE, head=MOTION)
    assert main(["record", config, "--out", str(tmp_path / "out"), "--frames", "2"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "2 pictures of 1 camera(s)" in shown.err
    assert [(f.start_mm, f.end_mm) for f in Recording(tmp_path / "out").frames("bare")] == [(None, None)] * 2


class Faulty:
    """A camera that damages, loses and finally is lost."""

    self_timed = False

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
    return LineConfig.model_validate({"cameras": [camera], "motion": {"source": "simulated", "speed_mm_s": 1}})


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
