"""A benchmark's points: every combination asked for, and each measured with all that follows from its throughput."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from glass_core.engines.bundle import is_bundle
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from pipeline.config.line import LineConfig
from tools.bench.forward import PAPER_BATCH, Point, measure, rates
from tools.bench.speed import line_speeds, of_line

Mode = Literal["forward", "paper", "pipeline"]
PIPELINE_BATCH = 16


@dataclass(frozen=True)
class Asked:
    """What a sweep varies; empty: what fits, one value."""

    mode: Mode = "forward"
    batches: Sequence[int] = ()
    precisions: Sequence[str] = ()
    backends: Sequence[str] = ()


@contextmanager
def random_models(arch: str, sizes_px: Sequence[int]) -> Iterator[list[Path]]:
    """A network with random weights for each tile side, in a folder that goes afterwards."""
    from glass_core.engines.subjects import random_run

    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        models = [Path(name) / str(size) for size in sizes_px]
        for size, folder in zip(sizes_px, models, strict=True):
            folder.mkdir()
            random_run(arch, size, folder)
        yield models


def asked_of_line(line: LineConfig, asked: Asked) -> tuple[Path, Asked]:
    """A line's model, and what its worker does of what was not asked for; InputError for a line without a model."""
    if line.model is None:
        raise InputError("no model, the config, add `model: RUN`")
    worker = line.worker
    return line.model, replace(
        asked,
        batches=asked.batches or [worker.max_batch],
        precisions=asked.precisions or (["fp32"] if worker.precision == "auto" else [worker.precision]),
        backends=asked.backends or [worker.backend],
    )


def points(models: Sequence[Path], asked: Asked) -> list[Point]:
    """Every combination of models and of what was asked; the paper's mode has its own batch, a BUNDLE its own engine."""
    batches = asked.batches or [PIPELINE_BATCH if asked.mode == "pipeline" else PAPER_BATCH]
    if asked.mode == "paper":
        batches = [PAPER_BATCH]
    found = []
    for model in models:
        engines = product(asked.backends or ["auto"], asked.precisions or ["fp32"])
        if is_bundle(model):
            engines = product(["auto"], ["auto"])
        arch = read_info(model).arch
        found += [Point(model, arch, b, precision, batch) for (b, precision), batch in product(engines, batches)]
    return found


def measure_point(point: Point, mode: Mode, seconds: float, cameras: int, against: bool) -> dict[str, Any]:
    """One row of the sweep; `cameras` and the line's own figures belong to the mode "pipeline"."""
    row = measure(point, mode, seconds, against)
    if mode == "pipeline":
        from tools.bench.line import measure_line

        same = replace(point, backend=row["backend"], precision=row["precision"])  # what "auto" came to
        pipeline = measure_line(same, cameras, seconds)
        full = pipeline["saturation"]["images_per_s"]
        share = {name: row[name] * full / row["images_per_s"] for name in ("share_of_ceiling", "share_of_copy_ceiling")}
        row |= rates(full, pipeline["at_70_percent"]["latency_ms"]) | share | {"pipeline": pipeline}
    info = read_info(point.model)
    return {
        **row,
        "weights": "random" if info.origin and info.origin.startswith("random weights") else "trained",
        "line_speed_m_per_min": line_speeds(row["images_per_s"], info.score.tiling),
    }


def measure_reaction(line: LineConfig, images_per_s: float) -> dict[str, Any]:
    """What a line's cameras need against the tiles per second that were measured, and how soon it reacts (speed.of_line).

    Raises InputError for a line without cameras.
    """
    from pipeline.supervision.running import asked_of
    from tools.bench.line import hop_ms

    asked = asked_of(line)
    if not asked:
        raise InputError("no cameras, the config, add at least one entry under `cameras:`")
    largest = max(height * width for height, width in (d.frame_px for d in asked))
    return of_line(line, asked, images_per_s, hop_ms(largest), hop_ms(1))
