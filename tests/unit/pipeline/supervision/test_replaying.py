"""What a replay makes of its source: one camera, or those of a recording, each with its own geometry."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glass_core.errors import InputError
from pipeline.cameras import Shot
from pipeline.cameras.picture import write_png
from pipeline.cameras.recording import INDEX, RecordingWriter
from pipeline.config.line import LineConfig
from pipeline.supervision import replaying
from pipeline.supervision.replaying import count_frames, left_out, line_of, place_for_record, replay

LEFT = {"name": "left", "source": "weave", "mm_per_px_x": 0.2, "mm_per_px_y": 0.3, "rows": 16, "overlap_rows": 4}
RIGHT = {"name": "right", "source": "weave", "mm_per_px_x": 0.4, "mm_per_px_y": 0.5, "x_offset_mm": 90, "y_offset_mm": -7}


def recording(folder: Path, *cameras: dict[str, Any], frames: int = 3) -> Path:
    """One of these cameras, the second with one picture less, and so on."""
    with RecordingWriter(folder, "", 0) as writer:
        for nth, camera in enumerate(cameras):
            writer.add_camera(camera["name"], {"config": camera} if len(camera) > 1 else {})
            for n in range(frames - nth):
                writer.write(camera["name"], Shot(np.full((8, 12), n, np.uint8), 8, n, n, n))
    return folder


def cameras_of(source: Path, *base: dict[str, Any], camera: str | None = None) -> list[dict[str, Any]]:
    line = LineConfig.model_validate({"cameras": base, "motion": {"source": "simulated", "speed_mm_s": 9}})
    config = line_of(source, Path("model"), line, Path("out"), camera)
    assert config.motion is None and config.ledger.path == Path("out/ledger.sqlite")
    return [c.model_dump(exclude_defaults=True, exclude={"source", "path"}) for c in config.cameras]


def test_every_camera_of_a_recording_is_replayed_as_it_was_configured(tmp_path: Path) -> None:
    footage = recording(tmp_path / "r", LEFT, RIGHT)
    found = cameras_of(footage)
    wanted = [{k: v for k, v in c.items() if k != "source"} | {"camera": c["name"]} for c in (LEFT, RIGHT)]
    assert found == wanted
    assert cameras_of(footage, camera="right") == wanted[1:]
    assert count_frames(line_of(footage, Path("m"), LineConfig(), Path("o"))) == 5
    with pytest.raises(InputError, match=r"no camera 'middle' in the recording, .*\['left', 'right'\]"):
        cameras_of(footage, camera="middle")


def test_the_lines_own_camera_of_that_name_says_its_geometry(tmp_path: Path) -> None:
    footage = recording(tmp_path / "r", LEFT, RIGHT)
    left, right = cameras_of(footage, {**RIGHT, "mm_per_px_y": 0.9})
    assert left["mm_per_px_y"] == 0.3 and (right["mm_per_px_y"], right["y_offset_mm"]) == (0.9, -7)
    (only,) = cameras_of(recording(tmp_path / "s", LEFT), {**RIGHT, "mm_per_px_y": 0.9})
    assert (only["name"], only["mm_per_px_y"]) == ("left", 0.9), "the only camera is the line's first"


def test_pictures_are_one_camera_with_the_geometry_of_the_lines_first(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    write_png(tmp_path / "p" / "1.png", np.zeros((8, 12), np.uint8))
    assert cameras_of(tmp_path / "p") == [{"name": "replay"}]
    (found,) = cameras_of(tmp_path / "p", RIGHT, LEFT)
    assert found == {"name": "replay", "mm_per_px_x": 0.4, "mm_per_px_y": 0.5, "x_offset_mm": 90}
    with pytest.raises(InputError, match="camera left of what is no recording"):
        cameras_of(tmp_path / "p", camera="left")


def test_a_recording_that_does_not_say_how_it_was_made_is_replayed_without_lengths(tmp_path: Path) -> None:
    assert cameras_of(recording(tmp_path / "r", {"name": "left"})) == [{"name": "left", "camera": "left"}]


@pytest.mark.parametrize(
    ("cameras", "said"),
    [
        ({}, "recording of several cameras, or none"),
        ({"a b": {}}, "recording damaged: 'a b' is no camera's name"),
        ({"../a": {}}, "recording damaged: '../a' is no camera's name"),
        ({"a": 3}, "recording damaged: camera a is not described"),
        ({"a": {"config": {"mm_per_px_y": "wide"}}}, "recording damaged: mm_per_px_y"),
        ({"a": {"config": {"rows": 8, "overlap_rows": 9}}}, "recording damaged"),
    ],
)
def test_an_index_that_makes_no_sense_is_one_line(tmp_path: Path, cameras: dict[str, Any], said: str) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"schema": 1, "cameras": cameras}))
    with pytest.raises(InputError, match=said) as refused:
        cameras_of(tmp_path)
    assert "\n" not in str(refused.value) and str(tmp_path) in str(refused.value)


def test_a_replay_says_which_recordings_were_cut_short(tmp_path: Path) -> None:
    footage = recording(tmp_path / "r", LEFT, RIGHT)
    index = json.loads((footage / INDEX).read_text())
    index["cameras"]["right"]["frames"] = 7
    (footage / INDEX).write_text(json.dumps(index))
    told: list[object] = []
    assert count_frames(line_of(footage, Path("m"), LineConfig(), Path("o")), told.append) == 3 + 7
    said = "its index counts 7 frames, 2 are written down, 5 are gone"
    assert [str(each) for each in told] == [f"the recording of camera right was cut short: {said}"]


def test_a_camera_whose_folder_is_gone_can_be_left_out(tmp_path: Path) -> None:
    footage = recording(tmp_path / "r", LEFT, RIGHT)
    shutil.rmtree(footage / "right")
    with pytest.raises(InputError, match=r"No such file or directory, .*/r/right, restore it, .*: --camera left$"):
        count_frames(line_of(footage, Path("m"), LineConfig(), Path("o")))
    assert count_frames(line_of(footage, Path("m"), LineConfig(), Path("o"), "left")) == 3
    with pytest.raises(InputError, match="/r/right, restore it"):
        count_frames(line_of(footage, Path("m"), LineConfig(), Path("o"), "right"))
    alone = recording(tmp_path / "s", LEFT)
    shutil.rmtree(alone / "left")
    with pytest.raises(InputError, match=r"/s/left, record again or name another$"):
        count_frames(line_of(alone, Path("m"), LineConfig(), Path("o")))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("source", ["nowhere", "footage"])
def test_a_replay_that_fails_leaves_no_folder_behind(source: str, temporary: Path, tmp_path: Path) -> None:
    recording(tmp_path / "footage", LEFT)
    with pytest.raises(InputError):  # there is no such model either
        replay(tmp_path / source, tmp_path / "no-model")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nor_does_one_that_is_ended_while_it_is_prepared(
    number: signal.Signals, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Path] = []

    def end(*asked: object) -> None:
        held.extend(temporary.iterdir())
        os.kill(os.getpid(), number)
        for _ in range(1000):  # another thread may be told first
            time.sleep(0.01)

    monkeypatch.setattr(replaying, "make_for_here", end)
    was = signal.signal(number, signal.default_int_handler)  # under nohup SIGHUP is ignored, and stays so
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        replay(recording(tmp_path / "footage", LEFT), tmp_path / "no-model")
    assert len(held) == 1 and list(temporary.iterdir()) == [] and signal.getsignal(number) is before
    signal.signal(number, was)


def test_a_replay_that_is_done_leaves_its_folder_and_one_that_was_named_stays(temporary: Path, tmp_path: Path) -> None:
    with place_for_record(None, "replay") as place:
        (place / "ledger.sqlite").touch()
    assert [p.parent for p in temporary.glob("glassline-replay-*/ledger.sqlite")] == [place]
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError), place_for_record(tmp_path / "mine", "replay"):
        raise InputError("a, b, c")
    assert (tmp_path / "mine").is_dir()


CAMERA = {
    "name": "left", "source": "basler", "serial": "1", "rows": 64, "overlap_rows": 8, "mm_per_px_x": 0.2, "mm_per_px_y": 0.3,
    "x_offset_mm": 5, "inspect_x_mm": [10, 90], "features": {"ExposureTime": 80.0},
}  # fmt: skip
LINE = {
    "line": {"name": "l", "style": "twill"}, "model": "own", "worker": {"max_batch": 3}, "decision": {"budget_ms": 123},
    "styles": {"twill": {"model": "other", "features": {"left": {"ExposureTime": 90.0}}, "events": {"SEAM": "grade"}}},
    "motion": {"source": "camera", "camera": "left", "counts_per_mm": 10, "bits": 16},
    "cameras": [CAMERA, {**CAMERA, "name": "right", "inspect_x_mm": [90, 170], "x_offset_mm": 85}],
    "actions": [{"when": "DEFECT", "do": "mark", "distance_mm": 1500}, {"when": "FAULT", "do": "stop"}],
    "inputs": [{"kind": "modbus", "name": "doors", "host": "h", "table": "coil",
                "contacts": [{"name": "seam", "address": 0, "says": "SEAM", "length_mm": 40}]}],
    "outputs": [{"kind": "publisher", "bind": "ipc:///tmp/l"}, {"kind": "modbus", "name": "replay", "host": "h"}],
}  # fmt: skip


def test_the_machine_stays_with_the_line_and_the_geometry_comes_along() -> None:
    line = line_of(Path("footage"), Path("new"), LineConfig.model_validate(LINE), Path("out"))
    (camera,) = line.cameras
    assert (camera.source, camera.name, camera.rows, camera.mm_per_px_y) == ("replay", "replay", 64, 0.3)
    assert (camera.inspect_x_mm, camera.x_offset_mm) == ((10, 90), 5)
    assert (line.worker.max_batch, line.decision.budget_ms, line.ledger.path) == (3, 123, Path("out/ledger.sqlite"))
    assert line.models == (Path("new"),) and line.style("twill").events != line.style("").events
    assert (line.motion, line.actions, line.inputs, line.wired) == (None, (), (), ())
    assert LineConfig.model_validate_json(line.model_dump_json()) == line, "it is a line like one that was read"


def test_a_geometry_that_does_not_fit_is_one_line() -> None:
    unread = {**CAMERA, "mm_per_px_x": None, "scale": "left.json"}  # its card was never read
    base = LineConfig.model_validate({"cameras": [unread]})
    with pytest.raises(
        InputError, match=r"^settings that do not fit together \(inspect_x_mm and selvage_mm need mm_per_px_x\), the line"
    ):
        line_of(Path("footage"), Path("new"), base, Path("out"))


def test_pictures_in_subfolders_are_told_and_cameras_of_a_recording_are_none(tmp_path: Path) -> None:
    for name in ("0.png", "more/1.png", "more/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    left = left_out(tmp_path)
    assert left is not None and left.count == 2
    assert left_out(tmp_path / "more") is None and left_out(tmp_path / "0.png") is None
    (tmp_path / "recording.json").touch()
    assert left_out(tmp_path) is None
