"""`glassline compile`: build a run's engine ahead, prove it, and give it a threshold card of its own."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import calibration
from glass_core.engines.bundle import MANIFEST_FILE
from pipeline.cameras.placing import Placing
from tools.verbs.display import Display
from tools.verbs.out import add_out, claimed_out

BACKENDS = ("auto", "torch", "openvino", "tensorrt")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("compile", help="build a run's engine ahead for this machine")
    p.add_argument("run", type=Path, metavar="RUN", help="a trained and calibrated run, or a converted official model")
    p.add_argument(
        "--good", type=Path, metavar="FOLDER",
        help="good pictures to prove and calibrate a converted model on; a run has its own",
    )  # fmt: skip
    p.add_argument("--backend", choices=BACKENDS, default="auto", help="default: the fastest this machine has")
    p.add_argument("--precision", choices=PRECISIONS, default="fp32", help="default: fp32")
    add_out(p, "BUNDLE", "folder to make", required=True)
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a proven engine and its card in BUNDLE, or without BUNDLE."""
    with claimed_out(args, MANIFEST_FILE), Display() as display:
        manifest, card = calibration.compile_bundle(
            args.run, args.out, args.backend, args.precision, args.good, display, Placing()
        )
    if args.json:
        facts = manifest.model_dump(mode="json", by_alias=True)
        print(json.dumps({**facts, "bundle": str(args.out), "card_sha": card.sha, "thresholds": card.thresholds}))
        return 0
    print(f"bundle: {args.out}, {manifest.backend} {manifest.precision} for {manifest.device}")
    print(
        f"against the model in float32: scores moved by {manifest.guard['moved_q99']:.2g} at most in 99 of 100 tiles, "
        f"{manifest.guard['flips']:.0f} of {manifest.guard['tiles']:.0f} verdicts flipped"
    )
    print(f"next: `model: {args.out}` in the line's config")
    return 0
