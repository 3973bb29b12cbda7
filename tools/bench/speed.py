"""Tiles per second as metres of cloth per minute, and how soon a line reacts (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glass_core.pictures.tiling import Tiling
from pipeline.config.line import LineConfig
from pipeline.messages.domains import M_PER_MIN
from pipeline.supervision.demand import Demand, highest_speed_mm_s, needed_tiles_per_s
from pipeline.supervision.reach import top_speed

WIDTHS_MM = (1600.0, 1800.0, 3200.0)
PITCHES_MM = (0.1, 0.2, 0.25, 0.5)


def metres_per_minute(images_per_s: float, tiling: Tiling, width_mm: float, mm_per_px: float) -> float:
    """Of cloth that wide, seen at that resolution: every row of tiles across moves it on by a tile less the overlap."""
    across = tiling.layout(tiling.tile_px, max(1, round(width_mm / mm_per_px))).lanes
    return images_per_s / across * (tiling.tile_px - tiling.overlap_px) * mm_per_px * M_PER_MIN


def line_speeds(images_per_s: float, tiling: Tiling) -> dict[str, float]:
    """For common widths and resolutions."""
    return {
        f"{width_mm / 1000:g} m at {pitch_mm:g} mm/px": round(metres_per_minute(images_per_s, tiling, width_mm, pitch_mm), 2)
        for width_mm in WIDTHS_MM
        for pitch_mm in PITCHES_MM
    }


def of_line(
    config: LineConfig, asked: Sequence[Demand], images_per_s: float, transfer_ms: float, output_ms: float
) -> dict[str, Any]:
    """What a line's own cameras need against what was measured, and its reaction table in ms.

    `slab_fill` is the time that the slab's own rows take to pass; what follows adds up to `expected`. `guaranteed` is the
    enforced budget, from a frame's arrival: a frame without a verdict by then is NOT_INSPECTED.
    `transfer_ms` and `output_ms`: a frame's and a verdict's way over the line's own link, as measured; a PLC's comes on top.
    """
    budget_ms = config.decision.budget_ms
    needed, highest = needed_tiles_per_s(asked, budget_ms), highest_speed_mm_s(asked, images_per_s)
    speed_mm_s = top_speed(config)
    frames_mm = [d.frame_mm for d in asked if d.frame_mm is not None]
    fill_ms = max(frames_mm) / speed_mm_s * 1000 if frames_mm and speed_mm_s else None
    tiles = sum(d.tiles_per_frame for d in asked)
    steps = {
        "slab_fill": fill_ms,
        "transfer": transfer_ms,
        "batch": config.worker.batch_wait_ms,
        "inference": tiles / images_per_s * 1000,
        "output": output_ms,
    }
    after_ms = sum(ms for name, ms in steps.items() if name != "slab_fill" and ms is not None)
    return {
        "needed_tiles_per_s": needed,
        "measured_tiles_per_s": images_per_s,
        "keeps_up": images_per_s >= needed,
        "highest_speed_m_per_min": None if highest is None else highest * M_PER_MIN,
        "speed_m_per_min": None if speed_mm_s is None else speed_mm_s * M_PER_MIN,
        "reaction_ms": {**steps, "expected": after_ms, "guaranteed": budget_ms},
    }
