"""A replay of what was recorded: every camera, on the cloth that it saw."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from glass_core.events import Note
from pipeline import record, replay
from pipeline.cameras.recording import Recording
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_verdicts
from pipeline.messages.states import Result
from pipeline.report.roll import read_covered
from tests.line.conftest import CLOTH, good_frame
from tests.video_files import write_video

ON_TORCH = LineConfig.model_validate({"worker": {"backend": "torch"}})
EYE = {**CLOTH.model_dump(exclude={"name"}), "frames": 6}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras over simulated cloth; the right one looks 40 mm further on and gives two pictures less."""
    folder = tmp_path_factory.mktemp("recorded") / "footage"
    body = {
        "motion": {"source": "simulated", "speed_mm_s": 500},
        "cameras": [
            {**EYE, "name": "left"},
            {**EYE, "name": "right", "frames": 4, "x_offset_mm": 51.2, "y_offset_mm": -40.0},
        ],
    }  # fmt: skip
    record(LineConfig.model_validate(body), folder)
    return folder


@pytest.mark.parametrize("camera", [None, "right"])
def test_cameras_of_a_recording_are_judged_where_they_saw_the_cloth(
    camera: str | None, recorded: Path, model: Path, tmp_path: Path
) -> None:
    summary = replay(recorded, model, tmp_path / "out", ON_TORCH, camera=camera)
    wanted = {
        (name, frame.seq): frame.span_mm
        for name in ("left", "right")
        if camera in (None, name)
        for frame in Recording(recorded).frames(name)
    }
    verdicts = [v for v in read_verdicts(tmp_path / "out/ledger.sqlite") if v.seq is not None]
    assert {(v.camera, v.seq): (v.start_mm, v.end_mm) for v in verdicts} == wanted
    assert summary.frames == len(wanted) == (4 if camera else 10)
    # All the cloth was judged by each: 0 to 153.6 mm by the left one, -40 to 62.4 mm by the right one.
    assert (summary.inspected_m, summary.not_inspected_m) == ((0.1024, 0.0) if camera else (0.0624, 0.1312))


def test_what_a_recording_has_lost_is_not_inspected(recorded: Path, model: Path, tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    shutil.copytree(recorded, footage)
    (footage / "left/000000001.png").unlink()
    half = footage / "left/000000005.png"
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    lines = (footage / "right/frames.jsonl").read_bytes().splitlines(keepends=True)
    (footage / "right/frames.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:40])
    (footage / "right/000000003.png").unlink()
    summary = replay(footage, model, tmp_path / "out", ON_TORCH)
    verdicts = {(v.camera, v.seq): v for v in read_verdicts(tmp_path / "out/ledger.sqlite") if v.seq is not None}
    damaged = {("left", 1), ("left", 5), ("right", 3)}
    assert {key for key, v in verdicts.items() if v.reason == "DAMAGED"} == damaged and summary.frames == 10
    assert all((v.start_mm is None) == (key in {("right", 2), ("right", 3)}) for key, v in verdicts.items())
    assert verdicts["left", 5].start_mm == pytest.approx(5 * 25.6)


def told_of(source: Path, model: Path, out: Path, line: LineConfig = ON_TORCH) -> list[str]:
    said: list[object] = []
    replay(source, model, out, line, said.append)
    return [str(each) for each in said if isinstance(each, Note)]


def filmed(path: Path, numbers: list[int], codec: str = "ffv1", pixels: str = "bgr0") -> Path:
    return write_video(path, [good_frame(n) for n in range(len(numbers))], codec, pixels, times=numbers)


def test_a_video_that_announces_more_than_it_holds_says_so_and_one_that_announces_less(model: Path, tmp_path: Path) -> None:
    whole = filmed(tmp_path / "whole.avi", [0, 1, 2, 3, 4, 5, 6], "mjpeg", "yuvj420p")
    assert told_of(whole, model, tmp_path / "0") == []
    content = bytearray(whole.read_bytes())
    at = content.index(b"strh") + 40  # AVI's dwLength
    for announced in (40, 3):
        content[at : at + 4] = struct.pack("<I", announced)
        path = tmp_path / f"{announced}.avi"
        path.write_bytes(content)
        said = told_of(path, model, tmp_path / str(announced))
        assert said == [f"{path} announces {announced} frames, holds 7"]


def test_cloth_after_very_many_missing_frames_lies_where_it_ran(model: Path, tmp_path: Path) -> None:
    video = filmed(tmp_path / "a.mkv", [0, 1, 12_001, 12_002])
    line = ON_TORCH.model_copy(update={"cameras": (CLOTH.model_copy(update={"mm_per_px_y": 0.5}),)})
    assert told_of(video, model, tmp_path / "out", line) == [
        f"{video} has gaps: by their times, frames are missing between those that it holds"
    ]
    ledger, frame_mm = tmp_path / "out/ledger.sqlite", 64.0
    judged = [v.start_mm for v in read_verdicts(ledger) if v.result is not Result.NOT_INSPECTED]
    assert judged == [n * frame_mm for n in (0, 1, 12_001, 12_002)]
    unseen = [v for v in read_verdicts(ledger) if v.result is Result.NOT_INSPECTED]
    assert sum(v.lost + (v.seq is not None) for v in unseen) == 11_999
    metres = read_covered(ledger).metres
    assert metres is not None and metres.not_inspected_mm == pytest.approx(11_999 * frame_mm)


def test_files_that_are_not_one_picture_are_named(footage: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(footage, folder)
    half = (good := sorted(folder.glob("*.png"))[0]).read_bytes()
    for n in range(5):
        (folder / f"torn{n}.png").write_bytes(half[: len(half) // 2])
    assert good.is_file()
    said = told_of(folder, model, tmp_path / "out")
    assert [line.partition(".png: ")[0] for line in said[:3]] == [f"not inspected: torn{n}" for n in range(3)]
    assert all(len(line.partition(".png: ")[2]) > 10 for line in said[:3])
    assert said[3:] == ["not inspected: 2 more that could not be read, verdicts.jsonl names them all"]


def test_judged_frames_without_a_place_are_why_metres_are_not_inspected(recorded: Path, model: Path, tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    shutil.copytree(recorded, footage)
    lines = (footage / "right/frames.jsonl").read_bytes().splitlines(keepends=True)
    (footage / "right/frames.jsonl").write_bytes(b"".join(lines[:2]))
    assert told_of(recorded, model, tmp_path / "whole") == []
    assert told_of(footage, model, tmp_path / "out")[-1] == (
        "camera right: of 2 judged frames nobody knows the place, so that their cloth counts as not inspected: "
        "its recording was cut short"
    )
