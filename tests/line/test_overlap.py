"""Two cameras over one cloth, one of them knocked after it was aligned: the line says by how much, and records it."""

from pathlib import Path

import cv2
import pytest

import pipeline.worker.overlap
from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import WeaveConfig
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_alignments, read_states
from pipeline.report.sheet import read_sheet
from pipeline.supervision.process import run_in_one_process
from tests.line.conftest import CLOTH, ROWS, WIDTH_PX
from tests.line.test_line import config
from tools.cli import main

BESIDE_PX, KNOCKED_PX = 160, 15
WEB: WeaveConfig = CLOTH.model_copy(update={"width_px": BESIDE_PX + WIDTH_PX + KNOCKED_PX})


def test_a_camera_that_was_knocked_is_noticed(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.worker.overlap, "INTERVAL_NS", 0)  # each frame: the cloth passes here in a second
    for n in range(12):
        cloth = render(WEB, n * ROWS, ROWS)
        for name, first_px in (("a", 0), ("b", BESIDE_PX + KNOCKED_PX)):
            (tmp_path / name).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / name / f"{n:03d}.png"), cloth[:, first_px : first_px + WIDTH_PX])
    line = config(model, tmp_path, tmp_path / "out", motion=None)
    cameras = [
        c.model_copy(update={"path": tmp_path / c.name, "x_offset_mm": x_mm})  # b: where it looked before
        for c, x_mm in zip(line.cameras, (0.0, BESIDE_PX * 0.2), strict=True)
    ]
    line = LineConfig.model_validate(line.model_dump() | {"cameras": [c.model_dump() for c in cameras]})
    run_in_one_process(line, observe=False, stop=lambda: False, heard=lambda n: None)
    found = list(read_alignments(line.ledger.path))
    assert len(found) > 4 and {(a.left, a.right) for a in found} == {("a", "b")}
    for each in found:
        assert each.across_mm == pytest.approx(-KNOCKED_PX * 0.2, abs=0.1) and each.along_mm == pytest.approx(0, abs=0.1)
    (row,) = read_sheet(line.ledger.path)[0].overlaps
    assert (row.left, row.right, row.told) == ("a", "b", len(found)) and row.across_mm == pytest.approx(-3, abs=0.1)
    assert main(["report", str(line.ledger.path.parent)]) == 0
    assert "furthest off across" in (line.ledger.path.parent / "report.html").read_text()
    warned = [s for s in read_states(line.ledger.path) if "b looks -3.0 mm across" in s.detail]
    assert warned and "align them again" in warned[-1].detail and warned[-1].inspection_ok
