"""How long one iteration of training takes on this machine; a part of `python -m tools.bench_path`."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from glass_core.config import TrainConfig
from glass_core.train import EpochFigures, Start, Step, train
from glass_core.weights import find_weights
from pipeline.cameras.weave import write_folder
from pipeline.config import WeaveConfig

TIMED = 3
"""Iterations; one before them warms up."""


class _Enough(Exception):
    """Ends a training that has been timed."""


def iteration_seconds(backbone: str, ascent: bool) -> dict[str, Any]:
    """Median wall and mean CPU seconds of one iteration: 8 tiles of 256 px of woven cloth, their defects made on the way.

    Both are null where the backbone's weights are not on this machine.
    """
    row: dict[str, Any] = {"backbone": backbone, "ascent": ascent, "wall_s": None, "cpu_s": None}
    if backbone != "embedded" and find_weights(backbone, None) is None:
        return row
    stamps: list[tuple[float, float]] = []

    def report(event: Start | Step | EpochFigures) -> None:
        if isinstance(event, Step):
            stamps.append((time.perf_counter(), time.process_time()))
            if len(stamps) > TIMED:
                raise _Enough

    config = TrainConfig.model_validate({"backbone": backbone, "mining": ascent, "batch_tiles": 8, "tile_px": 256})
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        out = Path(name)
        write_folder(WeaveConfig(name="cloth", source="weave", width_px=512, frame_rows=512), 10, out)
        with suppress(_Enough):
            train(sorted((out / "frames").glob("*.png")), config, out / "run", report)
    timed = np.diff(stamps, axis=0)  # (iterations, 2)
    return {**row, "wall_s": float(np.median(timed[:, 0])), "cpu_s": float(timed[:, 1].mean())}
