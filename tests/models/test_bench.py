"""The benchmark: what its figures are made of, and the one object that it prints; its speeds are not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glass_core.engines.subjects import gmac_per_image, random_run
from tools.cli import main

KEYS = {
    "mode", "backend", "precision", "arch", "image_size", "batch", "device", "images_per_s", "latency_ms", "synchronised",
    "paper_images_per_s", "ratio_to_paper", "gmac_per_image", "share_of_ceiling", "against", "line_speed_m_per_min",
    "environment", "schema",
}  # fmt: skip


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
