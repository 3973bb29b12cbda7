"""`glassline convert`: a checkpoint of the official GLASS code into a run, or a run into such a checkpoint or into ONNX."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from glass_core.backbones import BACKBONES
from glass_core.errors import InputError
from glass_core.files.whole_file import refused_writes
from glass_core.network.checkpoint import INFO_FILE, read_info

CHECKPOINT, ONNX = ".pth", ".onnx"


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
    if args.source.suffix == CHECKPOINT:
        if args.target.suffix in (CHECKPOINT, ONNX):
            raise InputError(f"a checkpoint becomes a run, {args.target}, name a folder, and convert that")
        if (args.target / INFO_FILE).exists():
            raise InputError(f"a model lies there already, {args.target}, choose another folder")
        from glass_core.paper.official import import_official

        with refused_writes(args.target):
            info = import_official(args.source, args.backbone, None, args.target)
    elif args.target.suffix not in (CHECKPOINT, ONNX):
        raise InputError(f"neither {ONNX} nor {CHECKPOINT}, {args.target}, name the file to write by one of these")
    else:
        info = read_info(args.source)
        if not args.target.parent.is_dir():
            raise InputError(f"no such folder, {args.target.parent}, make it first")
        if args.target.suffix == ONNX:
            from glass_core.engines.onnx_export import export_onnx

            Console(stderr=True).print("exporting (some ten seconds)")
            export_onnx(args.source, args.target)
        else:
            from glass_core.paper.official import export_official

            export_official(args.source, args.target)
    if args.json:
        facts = {"source": str(args.source), "target": str(args.target), "arch": info.arch, "weights_sha": info.weights_sha}
        print(json.dumps({"schema": 1, **facts}))
    else:
        print(f"{args.target}: {info.arch}, weights {info.weights_sha[:16]}")
    return 0
