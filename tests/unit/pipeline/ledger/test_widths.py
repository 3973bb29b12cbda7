"""How wide a folder's last run with pictures saw the cloth."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.ledger.store import Ledger
from pipeline.ledger.widths import inspected_widths_mm
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict


def run(folder: Path, run_id: str, width_px: int | None) -> None:
    """A run of one camera of 0.5 mm per pixel; without pictures where there is no width."""
    camera = {"name": "left", "mm_per_px_x": 0.5, "inspect_x_mm": [10.0, 60.0], "x_offset_mm": 5.0}
    held = Ledger(folder / "ledger.sqlite", {"line": "l", "config": {"cameras": [camera]}}, run_id=run_id)
    if width_px is not None:
        held.add(Verdict(
            number=0, generation=0, camera="left", boot_id="b", seq=0, start_mm=0.0, end_mm=9.0, t_mono_ns=1, t_utc_ns=1,
            result=Result.PASS, score=0.2, lanes=(0.1, 0.2), frame_shape=(64, width_px),
        ))  # fmt: skip
    held.close()


@pytest.mark.parametrize(
    ("widths_px", "width_mm"), [((160,), 50.0), ((160, None), 50.0), ((160, None, None), 50.0), ((160, 80, None), 35.0)]
)
def test_a_run_without_pictures_says_nothing_of_the_width(
    tmp_path: Path, widths_px: tuple[int | None, ...], width_mm: float
) -> None:
    for n, width_px in enumerate(widths_px):
        run(tmp_path, f"run{n}", width_px)
    assert inspected_widths_mm(tmp_path, None) == {"left": width_mm}


def test_a_folder_whose_runs_had_no_pictures_has_no_widths(tmp_path: Path) -> None:
    assert inspected_widths_mm(tmp_path, None) == {}
    run(tmp_path, "run", None)
    assert inspected_widths_mm(tmp_path, None) == {}
