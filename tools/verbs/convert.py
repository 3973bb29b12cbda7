"""`glassline convert`: a checkpoint of the official GLASS code into a run, or a run into such a checkpoint or into ONNX."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import glass_core
from glass_core.backbones import BACKBONES
from tools.verbs.display import Display


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("convert", help="exchange models with the official GLASS code, or export ONNX")
    p.add_argument("source", type=Path, metavar="SOURCE", help="a trained RUN, or an official ckpt_best_*.pth")
    p.add_argument("target", type=Path, metavar="TARGET", help="FILE.onnx or FILE.pth from a run; RUN from a checkpoint")
    p.add_argument(
        "--backbone", choices=list(BACKBONES), default="wide_resnet50_2",
        help="that of the checkpoint, which does not tell (default: %(default)s, as published)",
    )  # fmt: skip
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with the target written."""
    with Display() as display:
        info = glass_core.convert(args.source, args.target, args.backbone, display)
    if args.json:
        facts = {"source": str(args.source), "target": str(args.target), "arch": info.arch, "weights_sha": info.weights_sha}
        print(json.dumps({"schema": 1, **facts}))
    else:
        print(f"{args.target}: {info.arch}, weights {info.weights_sha[:16]}")
    return 0
