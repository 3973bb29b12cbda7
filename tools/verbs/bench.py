"""`glassline bench`: how fast this machine scores, what share of the possible that is, and what it is worth on a line."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console

from glass_core.backbones import BACKBONES
from glass_core.engines.bundle import is_bundle
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from tools.bench.forward import PAPER_BATCH, Point, measure, rates
from tools.bench.machine import Busy, machine
from tools.bench.speed import line_speeds, of_line
from tools.verbs.display import stdout_console

MODES = ("forward", "paper", "pipeline")
BACKENDS = ("auto", "torch", "openvino", "tensorrt")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("bench", help="how fast this machine scores, and how fast a line that allows")
    of = p.add_mutually_exclusive_group()
    of.add_argument("--model", type=Path, help="a RUN or a BUNDLE")
    of.add_argument(
        "--arch",
        choices=list(BACKBONES),
        help="a network with random weights on levels 2 and 3, as the paper's (default: wide_resnet50_2)",
    )
    of.add_argument("--config", type=Path, metavar="YAML", help="a line: its model and worker, and what its cameras need")
    p.add_argument("--mode", choices=MODES, default="forward", help="default: forward, compute only")
    p.add_argument("--against", action="store_true", help="run the official form beside it, pair by pair")
    p.add_argument("--batch", type=int, nargs="+", help="default: 8, in pipeline mode 16; several make a sweep, as below")
    p.add_argument("--size", type=int, nargs="+", help="tile sides in px of --arch (default: 288)")
    p.add_argument("--precision", choices=PRECISIONS, nargs="+", help="default: fp32; a BUNDLE has its own")
    p.add_argument("--backend", choices=BACKENDS, nargs="+", help="default: auto; a BUNDLE has its own")
    p.add_argument("--seconds", type=float, default=3.0, help="for each measurement (default: 3)")
    p.add_argument("--cameras", type=int, default=2, help="of pipeline mode (default: 2)")
    p.add_argument("--plot", type=Path, metavar="FILE", help="throughput against latency, .png or .svg")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with the figures; of a sweep the fastest point is the answer, and all are in `sweep`."""
    if min([1, args.seconds, args.cameras, *(args.batch or [])]) <= 0 or args.cameras > 16 or max(args.batch or [1]) > 256:
        raise InputError("a number out of range, the command line, use --batch 1 to 256, --cameras 1 to 16, --seconds above 0")
    if args.plot is not None and not args.plot.resolve().parent.is_dir():
        raise InputError(f"no such folder, {args.plot.parent}, make it first")
    console, busy, environment = Console(stderr=True), Busy(), machine()
    line = load_config(args.config) if args.config else None
    with redirect_stdout(sys.stderr), _points(args, line) as points:  # libraries speak while they build
        rows = []
        for point in points:
            with console.status(f"{point.backend} {point.precision}, batch {point.batch}"):
                rows.append(_measure(point, args))
        best = max(rows, key=lambda row: row["images_per_s"])
        of_it = {"line": _of_line(line, best["images_per_s"])} if line else {}
    if args.plot is not None:
        from tools.bench.picture import plot

        plot(rows, args.plot)
    environment["during"] = busy.report()
    result = {"schema": 1, **best, **of_it, "environment": environment, "sweep": rows}
    if args.json:
        print(json.dumps(result))
    else:
        from tools.bench.tables import show

        show(result, stdout_console())
    return 0


@contextmanager
def _points(args: argparse.Namespace, line: LineConfig | None) -> Iterator[list[Point]]:
    """Every combination asked for; models drawn at random lie in a folder that goes afterwards."""
    from glass_core.engines.subjects import random_run

    batches = args.batch or [PAPER_BATCH if args.mode != "pipeline" else 16]
    if args.mode == "paper":
        batches = [PAPER_BATCH]
    precisions, backends = args.precision or ["fp32"], args.backend or ["auto"]
    model = args.model
    if line is not None:
        if line.model is None:
            raise InputError("no model, the config, add `model: RUN`")
        model, worker = line.model, line.worker
        batches = args.batch or [worker.max_batch]
        precisions = args.precision or (["fp32"] if worker.precision == "auto" else [worker.precision])
        backends = args.backend or [worker.backend]
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        if model is None:
            models = []
            for size in args.size or [288]:
                models.append(Path(name) / str(size))
                models[-1].mkdir()
                random_run(args.arch or "wide_resnet50_2", size, models[-1])
        else:
            if args.size:
                raise InputError("a model has its own tile size, --size, leave it out or use --arch")
            if is_bundle(model) and (args.precision or args.backend):
                raise InputError("a BUNDLE has its own backend and precision, the command line, leave them out")
            if is_bundle(model):
                precisions, backends = ["auto"], ["auto"]
            models = [model]
        combined = product(models, backends, precisions, batches)
        yield [Point(folder, read_info(folder).arch, b, precision, batch) for folder, b, precision, batch in combined]


def _measure(point: Point, args: argparse.Namespace) -> dict[str, Any]:
    """One row of the sweep, with everything that follows from its throughput."""
    row = measure(point, args.mode, args.seconds, args.against)
    if args.mode == "pipeline":
        from tools.bench.line import measure_line

        same = replace(point, backend=row["backend"], precision=row["precision"])  # what "auto" came to
        pipeline = measure_line(same, args.cameras, args.seconds)
        full = pipeline["saturation"]["images_per_s"]
        share = {name: row[name] * full / row["images_per_s"] for name in ("share_of_ceiling", "share_of_copy_ceiling")}
        row |= rates(full, pipeline["at_70_percent"]["latency_ms"]) | share | {"pipeline": pipeline}
    info = read_info(point.model)
    return {
        **row,
        "weights": "random" if info.origin and info.origin.startswith("random weights") else "trained",
        "line_speed_m_per_min": line_speeds(row["images_per_s"], info.score.tiling),
    }


def _of_line(line: LineConfig, images_per_s: float) -> dict[str, Any]:
    from pipeline.supervision.running import asked_of
    from tools.bench.line import hop_ms

    asked = asked_of(line)
    if not asked:
        raise InputError("no cameras, the config, add at least one entry under `cameras:`")
    largest = max(height * width for height, width in (d.frame_px for d in asked))
    return of_line(line, asked, images_per_s, hop_ms(largest), hop_ms(1))
