"""`glassline report`: the roll report again, from the ledger and what people said of its defects; a black box; a video."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pipeline
from glass_core.errors import InputError
from pipeline.ledger.black_box import read_box
from pipeline.report import issue_report, show_box
from pipeline.report.sheet import RollSheet
from tools.verbs.next_step import after_report


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("report", help="write the roll report again from the ledger, open a black box, make a video")
    p.add_argument(
        "folder", type=Path, metavar="DIR",
        help="folder that run, replay or demo wrote, a file of its black_boxes, or with --video a recording in MCAP",
    )  # fmt: skip
    p.add_argument(
        "--cut", type=_lengths, metavar="M,M", default=(),
        help="propose a cut into pieces of these lengths in metres, in place of the configured ones",
    )  # fmt: skip
    p.add_argument("--video", type=Path, metavar="OUT.mp4", help="make a video of a recording in MCAP, or of a folder of them")
    p.add_argument("--camera", metavar="NAME", help="the camera of a video (default: the only one)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write DIR/report.html, report.json and defects.csv for the last run in DIR/ledger.sqlite and print the page's path.

    Of a black box: its page beside it. Of a recording: the video.
    """
    if args.video:
        pictures = pipeline.export_video(args.folder, args.video, args.camera)
        said = json.dumps({"schema": 1, "video": str(args.video), "pictures": pictures}) if args.json else args.video
        print(said)
        return 0
    if args.camera:
        raise InputError("--camera is about --video, the command line, name the video or leave it out")
    if args.folder.is_file():
        return _open_box(args.folder, args.json)
    ledger = args.folder / "ledger.sqlite"
    page, sheet = issue_report(ledger, args.folder, lengths_m=args.cut)
    if missing := str(sheet.missing):
        print(missing, file=sys.stderr)
    if not args.json:
        print(page)
        for roll in sheet.rolls:
            print(_of_roll(roll))
        print(after_report(args.folder, len(sheet.waiting)))
        return 0
    rolls = [
        {
            "roll_id": r.roll_id, "inspected_m": r.inspected_m, "not_inspected_m": r.not_inspected_m, "defects": len(r.defects),
            **({k: getattr(r.grade, k) for k in ("quality", "points", "per_100_yd2", "per_100_m2")} if r.grade else {}),
            **({"cut": r.cut.model_dump(mode="json", exclude={"rules"})} if r.cut else {}),
        }
        for r in sheet.rolls
    ]  # fmt: skip
    print(
        json.dumps(
            {"schema": 1, "page": str(page), "revision": sheet.revision, "missing": sheet.missing.model_dump(), "rolls": rolls}
        )
    )
    return 0


def _lengths(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(length) for length in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"no lengths in metres ({text}), give for example 25,50") from None


def _of_roll(roll: RollSheet) -> str:
    """Its grade on a line."""
    name, grade = roll.roll_id or "without a name", roll.grade
    if grade is None:
        return f"roll {name}: {len(roll.defects)} defects, not graded: the scale or the roll is not known"
    return f"roll {name}: {grade.quality} quality, {grade.points} points, {len(roll.defects)} defects"


def _open_box(path: Path, as_json: bool) -> int:
    box, page = read_box(path), show_box(path)
    faults = [fault.model_dump(exclude={"kind"}) for fault in box.faults]
    print(json.dumps({"schema": 1, "page": str(page), "line": box.opening.line, "faults": faults}) if as_json else page)
    return 0
