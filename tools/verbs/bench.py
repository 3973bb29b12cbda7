"""`glassline bench`: how fast this machine scores, what share of the possible that is, and what it is worth on a line."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from glass_core.backbones import BACKBONES
from glass_core.engines.bundle import is_bundle
from glass_core.errors import InputError
from pipeline.config.cards import load_config
from tools.bench.layers import measure_layers, show_layers
from tools.bench.machine import Busy, machine
from tools.bench.sweep import Asked, Mode, asked_of_line, measure_point, measure_reaction, points, random_models
from tools.verbs.display import answers

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
    p.add_argument("--mode", choices=get_args(Mode), default="forward", help="default: forward, compute only")
    p.add_argument("--against", action="store_true", help="run the official form beside it, pair by pair")
    p.add_argument("--batch", type=int, nargs="+", help="default: 8, in pipeline mode 16; several make a sweep, as below")
    p.add_argument("--size", type=int, nargs="+", help="tile sides in px of --arch (default: 288)")
    p.add_argument("--precision", choices=PRECISIONS, nargs="+", help="default: fp32; a BUNDLE has its own")
    p.add_argument("--backend", choices=BACKENDS, nargs="+", help="default: auto; a BUNDLE has its own")
    p.add_argument("--layers", action="store_true", help="where the work is: every layer's multiplications, bytes and time")
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
    if args.layers and (args.mode != "forward" or args.against or args.plot):
        raise InputError("--layers looks into one engine, the command line, leave --mode, --against and --plot out")
    console, busy, environment = Console(stderr=True), Busy(), machine()
    line = load_config(args.config) if args.config else None
    model, asked = args.model, Asked(args.mode, args.batch or (), args.precision or (), args.backend or ())
    if line is not None:
        model, asked = asked_of_line(line, asked)
    if model is not None and args.size:
        raise InputError("a model has its own tile size, --size, leave it out or use --arch")
    if model is not None and is_bundle(model) and (args.precision or args.backend):
        raise InputError("a BUNDLE has its own backend and precision, the command line, leave them out")
    drawn = random_models(args.arch or "wide_resnet50_2", args.size or [288])
    with redirect_stdout(sys.stderr), drawn if model is None else nullcontext([model]) as models:  # libraries speak
        rows = []
        for point in points(models, asked):
            with console.status(f"{point.backend} {point.precision}, batch {point.batch}"):
                if args.layers:
                    rows.append(measure_layers(point, args.seconds))
                else:
                    rows.append(measure_point(point, args.mode, args.seconds, args.cameras, args.against))
        best = {} if args.layers else max(rows, key=lambda row: row["images_per_s"])
        of_it = {"line": measure_reaction(line, best["images_per_s"])} if line and best else {}
    environment["during"] = busy.report()
    if args.layers:
        return _tell_layers({"schema": 1, "environment": environment, "points": rows}, args.json)
    if args.plot is not None:
        from tools.bench.picture import plot

        plot(rows, args.plot)
    result = {"schema": 1, **best, **of_it, "environment": environment, "sweep": rows}
    if args.json:
        print(json.dumps(result))
    else:
        from tools.bench.tables import show

        show(result, answers())
    return 0


def _tell_layers(result: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps(result))
        return 0
    from tools.bench.tables import show_machine

    console = answers()
    show_machine(result["environment"], console)
    for point in result["points"]:
        show_layers(point, console)
    return 0
