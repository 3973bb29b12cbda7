"""`glassline record`: lossless footage of a line's cameras, readable by train, calibrate and replay."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pipeline
from pipeline.cameras.recording import INDEX
from pipeline.config.cards import load_config
from tools.verbs.display import Display
from tools.verbs.next_step import next_step, run_of
from tools.verbs.out import add_out, claimed_out


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("record", help="record the cameras of a line, without loss")
    p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
    add_out(p, "DIR", "folder for the recording", required=True)
    limit = p.add_mutually_exclusive_group()
    limit.add_argument("--metres", type=float, metavar="N", help="stop each camera after so much cloth")
    limit.add_argument("--frames", type=int, metavar="N", help="stop each camera after so many pictures")
    p.add_argument("--json", action="store_true", help="print one JSON object at the end")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Record until a limit, the sources' end or Ctrl-C; 0."""
    config = load_config(args.config)
    with claimed_out(args, INDEX), Display() as display:
        recorded = pipeline.record(config, args.out, frames=args.frames, metres=args.metres, report=display)
    if args.json:
        print(json.dumps(recorded.model_dump(mode="json", by_alias=True)))
    else:
        cameras = recorded.cameras.values()
        lacking = {"damaged": sum(c.damaged for c in cameras), "lost": sum(c.lost for c in cameras)}
        told = "".join(f", {count} {what}" for what, count in lacking.items() if count)
        print(f"{recorded.frames} pictures of {len(recorded.cameras)} camera(s){told}, in {args.out}", file=sys.stderr)
        if recorded.frames:
            print(next_step("train", args.out, "--config", args.config, "--out", run_of(config)), file=sys.stderr)
    return 0
