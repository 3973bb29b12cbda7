"""Pipeline mode of the benchmark: a real line, at saturation and below; its speeds are not looked at."""

from __future__ import annotations

import json
import statistics

import pytest

from tools.cli import main

pytestmark = pytest.mark.full


def test_the_line_is_measured_at_both_loads(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "--arch", "embedded", "--size", "64", "--batch", "4", "--mode", "pipeline", "--seconds", "1", "--json"]
    assert main([*words, "--backend", "torch"]) == 0
    told = json.loads(capsys.readouterr().out)
    pipeline = told["pipeline"]
    full, quiet = pipeline["saturation"], pipeline["at_70_percent"]
    assert told["images_per_s"] == full["images_per_s"] and told["latency_ms"] == quiet["latency_ms"]
    assert pipeline["share_of_forward"] == pytest.approx(full["images_per_s"] / pipeline["forward"])
    assert pipeline["share_of_forward"] == statistics.median(pipeline["shares_of_forward"])
    for load in (full, quiet):
        assert load["images_per_s"] > 0 and load["frames"] > 1
        assert load["latency_ms"]["p50"] <= load["latency_ms"]["p99"] and load["worker"]["infer_ms"] > 0
    assert quiet["offered_images_per_s"] == pytest.approx(0.7 * full["images_per_s"])
