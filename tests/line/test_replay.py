"""A replay of what was recorded: every camera, on the cloth that it saw."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline import record, replay
from pipeline.cameras.recording import Recording
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_verdicts
from tests.line.conftest import CLOTH

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
