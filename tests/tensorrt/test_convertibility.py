"""Every architecture and batch size is one TensorRT segment without an operator left to torch: convertible, not yet built."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.shared_data import ROOT
from tests.tensorrt.dry_run import BUCKETS

BESIDE = Path(sys.prefix) / "torch-tensorrt"
"""Where `make` puts the wheel: out of the environment's way, since it cannot be imported without TensorRT."""


def dry_run(name: str) -> list[dict[str, Any]]:
    """What torch-tensorrt says of each batch size."""
    installed = importlib.util.find_spec("torch_tensorrt")
    folder = Path(installed.origin).parents[1] if installed and installed.origin else BESIDE
    if not folder.is_dir():
        pytest.skip(f"torch-tensorrt is not here: pip install --no-deps --target {BESIDE} torch-tensorrt==2.13.0 dllist")
    done = subprocess.run(
        [sys.executable, "tests/tensorrt/dry_run.py", folder, name],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"bucket"')]


@pytest.mark.parametrize("arch", ["embedded", "resnet18", "resnet18/2", "resnet18/1/123", "resnet50", "wide_resnet50_2"])
def test_the_graph_is_one_segment_without_a_fallback(arch: str) -> None:
    reports = dry_run(arch)
    assert [report["bucket"] for report in reports] == list(BUCKETS)
    for report in reports:
        assert report["supported"] == report["operators"] > 20
        assert (report["segments"], report["unsupported"], report["in_torch"]) == (1, [], [])


def test_an_operator_without_a_converter_is_found_out() -> None:
    reports = dry_run("control")
    assert [report["bucket"] for report in reports] == list(BUCKETS)
    for report in reports:
        assert report["supported"] < report["operators"]
        assert report["segments"] == 2 and "erfcx" in str(report["unsupported"]) and report["in_torch"]
