"""`glassline replay`: judge recorded cloth with a model, in one process, every frame, as fast as it goes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pipeline
from pipeline.config.cards import load_config
from pipeline.messages.reasons import Reason
from tools.verbs.display import Display
from tools.verbs.next_step import next_step
from tools.verbs.out import add_out, claimed_out

if TYPE_CHECKING:
    from pipeline.report.roll import Summary


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("replay", help="judge a folder, data set, video or recording with a model")
    p.add_argument("source", type=Path, metavar="SOURCE", help="image folder, data set, video or recording")
    p.add_argument("--model", type=Path, required=True, help="a trained and calibrated RUN, or a BUNDLE")
    p.add_argument("--camera", metavar="NAME", help="one camera of a recording (default: all of them)")
    p.add_argument("--config", type=Path, help="YAML of a line: its worker, decision and camera geometry are used")
    add_out(
        p, "DIR", "folder for the record (default: a new one in the temporary folder)", adds="add a run to the record there"
    )
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 whatever was found."""
    line = load_config(args.config) if args.config else None
    with claimed_out(args, "ledger.sqlite"), Display() as display:
        summary = pipeline.replay(args.source, args.model, args.out, line, display, args.camera)
    show(summary, args.json)
    sys.stdout.flush()
    return 0


def show(summary: Summary, as_json: bool) -> None:
    """The result on stdout, for a program or for a person."""
    body = summary.model_dump(mode="json", by_alias=True)
    if as_json:
        print(json.dumps(body))
        return
    print(f"{summary.frames} frames: {summary.passed} pass, {summary.defect} defect, {summary.not_inspected} not inspected")
    for reason, n in summary.reasons.items():
        print(f"  {reason}: {n}  ({Reason(reason).meaning})")
    if summary.inspected_m is not None:
        print(f"{summary.inspected_m:.2f} m inspected, {summary.not_inspected_m:.2f} m not inspected")
    if summary.frames_per_s is not None:
        print(f"{summary.frames_per_s:.1f} frames/s, {summary.tiles_per_s:.1f} tiles/s")
    print(f"record: {summary.out}")
    print(next_step("report", summary.out))
