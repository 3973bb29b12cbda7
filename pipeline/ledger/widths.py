"""How wide a run's cameras saw the cloth."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.cameras import CameraBase
from pipeline.ledger.reading import read_frame_shapes, read_runs

LEDGER = "ledger.sqlite"


def inspected_widths_mm(folder: Path, inspect_x_px: tuple[int, int] | None) -> dict[str, float]:
    """What each camera of a folder's last run with pictures inspected across the cloth; not those of unknown scale.

    `inspect_x_px`: the model's own columns, where a camera names none.
    """
    ledger = folder / LEDGER
    runs = read_runs(ledger) if ledger.is_file() else {}
    newest = ((facts, read_frame_shapes(ledger, run_id)) for run_id, facts in reversed(runs.items()))
    facts, shapes = next((run for run in newest if run[1]), ({}, {}))
    widths_mm = {}
    for camera in (facts.get("config") or {}).get("cameras", []):
        name, mm_per_px = camera.get("name"), camera.get("mm_per_px_x")
        if mm_per_px and name in shapes:
            width_px = shapes[name][1]
            first, end = CameraBase.model_construct(**camera).inspected_px(width_px, inspect_x_px) or (0, width_px)
            widths_mm[name] = (end - first) * mm_per_px
    return widths_mm
