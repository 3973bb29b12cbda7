"""What cameras ask of the worker, and a line that cannot keep up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glass_core.engines.canary import Canary
from glass_core.engines.speed import Timing, quick_tiles_per_s
from glass_core.errors import AbsentError, InputError
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from pipeline.config.cameras import CameraConfig
from pipeline.config.line import LineConfig
from pipeline.supervision import running
from pipeline.supervision.demand import demands, highest_speed_mm_s, needed_tiles_per_s, refuse_slow
from tests.fakes import BrightnessEngine

DEFINITION = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=0))


def line(camera: dict[str, Any], **more: Any) -> LineConfig:
    entry = {"name": "a", "source": "weave", "mm_per_px_x": 0.5, "mm_per_px_y": 0.5} | camera
    return LineConfig.model_validate({"cameras": [entry, entry | {"name": "b"}], **more})


MOVING = {"motion": {"source": "simulated", "speed_mm_s": 320}}


@pytest.mark.parametrize(
    ("camera", "more", "size", "tiles", "frames_per_s"),
    [
        ({"rate": 5}, {}, (64, 256), 4, 5.0),
        ({}, MOVING, (64, 256), 4, 10.0),  # 64 rows of 0.5 mm: 32 mm
        ({"rows": 128}, MOVING, (32, 256), 8, 5.0),
        ({"rows": 128, "rate": 20}, {}, (32, 256), 8, 5.0),  # four pictures a slab
        ({"rows": 64, "overlap_rows": 16}, MOVING, (64, 256), 8, 10.0),  # rows seen twice cost twice
        ({"rate": 5, "inspect_x_px": [64, 192]}, {}, (64, 256), 2, 5.0),
        ({"mm_per_px_y": None, "mm_per_px_x": None}, MOVING, (64, 256), 4, None),
        ({}, {}, (64, 256), 4, None),
    ],
)
def test_a_camera_asks_for_its_tiles_at_its_rate(
    camera: dict[str, Any], more: dict[str, Any], size: tuple[int, int], tiles: int, frames_per_s: float | None
) -> None:
    asked = demands(line(camera, **more), DEFINITION, {"a": size, "b": size})
    assert [(d.tiles_per_frame, d.frames_per_s) for d in asked] == [(tiles, frames_per_s)] * 2
    assert needed_tiles_per_s(asked, 1e9) == pytest.approx(max(2 * tiles * (frames_per_s or 0), tiles / 1e6))
    assert needed_tiles_per_s(asked, 10) == max(2 * tiles * (frames_per_s or 0), tiles * 100), "any one frame in its budget"


@pytest.mark.parametrize("of_model", [None, (0, 256)])
def test_a_range_in_the_lines_coordinates_counts_its_own_tiles(of_model: tuple[int, int] | None) -> None:
    config = LineConfig.model_validate({"cameras": [
        {"name": "a", "source": "weave", "mm_per_px_x": 0.5, "x_offset_mm": 100, "inspect_x_mm": [132, 196]},
    ]})  # fmt: skip
    (asked,) = demands(config, DEFINITION.model_copy(update={"inspect_x_px": of_model}), {"a": (64, 256)})
    assert asked.tiles_per_frame == 2


def test_at_the_highest_speed_the_cameras_ask_for_just_what_there_is() -> None:
    size = {"a": (64, 256), "b": (64, 256)}
    asked = demands(line({}, **MOVING), DEFINITION, size)
    assert highest_speed_mm_s(asked, needed_tiles_per_s(asked, 500)) == pytest.approx(320)
    assert highest_speed_mm_s(demands(line({"mm_per_px_y": None}), DEFINITION, size), 100.0) is None


def test_only_a_line_that_cannot_keep_up_is_refused() -> None:
    refuse_slow(80.0, 80.0)
    with pytest.raises(InputError, match=r"ask for 80\.0 tiles/s.*does 79\.0.*--slow-ok"):
        refuse_slow(80.0, 79.0)


def test_the_quick_measurement_takes_the_best_batch_and_ends_soon() -> None:
    engine = BrightnessEngine()
    engine.canary = Canary(np.zeros((2, 64, 64), np.uint8), np.zeros((2, 8, 8), np.float32))
    times_s = iter([0.0, 0.2, 1.0, 1.1, 2.0, 2.3])  # 200, 100 and 300 ms
    assert quick_tiles_per_s(engine, 8, lambda: next(times_s)) == pytest.approx(80)
    assert engine.batches == [8, 8, 8]


def test_rates_are_those_of_the_median_batch() -> None:
    timing = Timing(8, np.array([0.1, 0.2, 0.9]))
    assert timing.images_per_s == pytest.approx(40) and timing.latency_ms["p50"] == pytest.approx(200)


def test_a_camera_with_more_lanes_than_a_verdict_tells_is_refused_at_the_start() -> None:
    size = (64, 64 * 160)
    assert demands(line({"rate": 5}), DEFINITION, {"a": size, "b": size})[0].tiles_per_frame == 160
    wide = (64, 64 * 160 + 1)
    with pytest.raises(InputError, match="161 lanes, camera b, 160 are allowed"):
        demands(line({"rate": 5}), DEFINITION, {"a": size, "b": wide})


def test_a_camera_that_is_not_there_is_told_and_left_out_where_a_line_may_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(entry: CameraConfig) -> dict[str, Any]:
        if entry.name == "a":
            raise AbsentError("no camera a")
        return {"height": 64, "width": 256}

    config = line({"rate": 5}).model_copy(update={"model": Path("m")})
    monkeypatch.setattr(running, "ask_camera", ask)
    monkeypatch.setattr(running, "read_info", lambda model: SimpleNamespace(score=DEFINITION))
    told = list[str]()
    assert [d.camera for d in running.asked_of(config, lambda note: told.append(str(note)))] == ["b"]
    assert len(told) == 1 and told[0].startswith("no camera a; the line starts without it")
    with pytest.raises(AbsentError):
        running.asked_of(config)
