"""A replay of what was recorded: every camera, on the cloth that it saw."""

from __future__ import annotations

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
