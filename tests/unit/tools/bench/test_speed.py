"""From tiles per second to metres of cloth per minute, and to a line's needs and reaction."""

from __future__ import annotations

import pytest

from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from pipeline.config.line import LineConfig
from pipeline.supervision.demand import demands
from tools.bench.speed import metres_per_minute, of_line


@pytest.mark.parametrize(
    ("overlap_px", "width_mm", "expected_m_per_min"),
    [
        (0, 64.0, 0.06 * 6.4 * 10),  # ten tiles of 6.4 mm across, ten rows of them a second
        (0, 64.1, 0.06 * 6.4 * 100 / 11),  # a tile begun is a tile
        (16, 6.4 + 9 * 4.8, 0.06 * 4.8 * 10),  # tiles and rows move on by 4.8 mm only
    ],
)
def test_images_become_metres(overlap_px: int, width_mm: float, expected_m_per_min: float) -> None:
    tiling = Tiling(tile_px=64, overlap_px=overlap_px)
    assert metres_per_minute(100, tiling, width_mm, 0.1) == pytest.approx(expected_m_per_min)


def test_a_line_learns_what_it_needs_and_when_it_reacts() -> None:
    camera = {"name": "a", "source": "weave", "mm_per_px_x": 0.5, "mm_per_px_y": 0.5}
    config = LineConfig.model_validate({
        "cameras": [camera, camera | {"name": "b"}], "motion": {"source": "simulated", "speed_mm_s": 320},
        "decision": {"budget_ms": 400}, "worker": {"batch_wait_ms": 5},
    })  # fmt: skip
    asked = demands(config, ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=0)), {"a": (64, 256), "b": (64, 256)})
    found = of_line(config, asked, images_per_s=160.0, transfer_ms=2.0, output_ms=1.0)
    assert found["needed_tiles_per_s"] == pytest.approx(80) and found["keeps_up"]
    assert found["highest_speed_m_per_min"] == pytest.approx(2 * 320 * 0.06)
    assert found["reaction_ms"] == pytest.approx({
        "slab_fill": 100, "transfer": 2, "batch": 5, "inference": 50, "output": 1, "expected": 58, "guaranteed": 400,
    })  # fmt: skip
    assert not of_line(config, asked, images_per_s=79.0, transfer_ms=2.0, output_ms=1.0)["keeps_up"]
