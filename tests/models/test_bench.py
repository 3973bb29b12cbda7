"""The benchmark: what its figures are made of, and the one object that it prints; its speeds are not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glass_core.engines.subjects import gmac_per_image, random_run
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from pipeline.config.line import LineConfig
from pipeline.supervision.demand import demands
from tools.bench.line import steady_per_s
from tools.bench.speed import metres_per_minute, of_line
from tools.cli import main

KEYS = {
    "mode", "backend", "precision", "arch", "image_size", "batch", "device", "images_per_s", "latency_ms", "synchronised",
    "paper_images_per_s", "ratio_to_paper", "gmac_per_image", "share_of_ceiling", "against", "line_speed_m_per_min",
    "environment", "schema",
}  # fmt: skip


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


def test_bursts_are_counted_by_their_slope() -> None:
    bursts = [round(0.4 * n, 1) + 0.001 * k for n in range(10) for k in range(4)]  # four frames each 0.4 s
    assert steady_per_s(bursts) == pytest.approx(10, rel=0.01)
    assert steady_per_s(bursts[2:]) == pytest.approx(10, rel=0.03)


def test_work_is_counted_from_the_graph(tmp_path: Path) -> None:
    for side in (64, 128):
        (tmp_path / str(side)).mkdir()
        random_run("embedded", side, tmp_path / str(side))
    small, large = (gmac_per_image(tmp_path / str(side)) for side in (64, 128))
    assert large == pytest.approx(4 * small, rel=0.02), "all of it is convolutions"
    assert small > 64 * 1536 * 1024 / 1e9 / 2, "at least the matrix over each cell, of which the coarser half is a quarter"


@pytest.mark.parametrize("mode", ["forward", "paper"])
def test_it_prints_one_object_and_draws_one_plot(mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "--arch", "embedded", "--size", "64", "--batch", "1", "2", "--backend", "torch", "--mode", mode]
    plot = tmp_path / "plot.png"
    assert main([*words, "--seconds", "0.01", "--plot", str(plot), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() >= KEYS and told["schema"] == 1 and told["weights"] == "random" and told["synchronised"]
    assert [row["batch"] for row in told["sweep"]] == ([1, 2] if mode == "forward" else [8])
    assert told["images_per_s"] == max(row["images_per_s"] for row in told["sweep"])
    assert told["ratio_to_paper"] == pytest.approx(told["images_per_s"] / 1327)
    assert plot.read_bytes().startswith(b"\x89PNG") and list(tmp_path.iterdir()) == [plot]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--arch", "embedded", "--size", "50"], "multiple of 32"),
        (["--arch", "embedded", "--size", "64", "--backend", "torch", "--precision", "int8"], "has no int8"),
        (["--arch", "embedded", "--size", "64", "--against"], "no official form"),
        (["--batch", "0"], "out of range"),
        (["--seconds", "0"], "out of range"),
        (["--model", "nowhere"], "nowhere"),
        (["--plot", "nowhere/plot.png"], "no such folder"),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--seconds", "0.01", "--batch", "1", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("glassline: ") and told in error
