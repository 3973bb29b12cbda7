"""`glassline record` of an emulated Basler camera."""

from __future__ import annotations

from pathlib import Path

from glass_core.pictures.reading import read_image
from pipeline.cameras.recording import Recording
from tools.cli import main


def test_emulated_basler_and_its_facts(tmp_path: Path) -> None:
    camera = (
        '{name: b, source: basler, serial: "0815-0000", trigger: {source: Software}, '
        "features: {Width: 64, Height: 32, ExposureTime: 80.0}}"
    )
    (tmp_path / "line.yaml").write_text(f"cameras:\n  - {camera}\n")
    assert main(["record", str(tmp_path / "line.yaml"), "--out", str(tmp_path / "out"), "--frames", "3"]) == 0
    facts = Recording(tmp_path / "out").cameras["b"]
    assert facts["emulated"] is True and facts["features"]["Width"] == "64" and facts["frames"] == 3
    assert read_image(tmp_path / "out/b/000000002.png").shape == (32, 64)
