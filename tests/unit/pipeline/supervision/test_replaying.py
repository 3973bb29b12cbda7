"""What a replay takes over from a line, and what it leaves with the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.supervision.replaying import left_out, line_of

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
