"""`glassline review`: what people say of the defects of a run; the report is issued again with each word's revision number."""

from __future__ import annotations

import argparse
import getpass
import json
from pathlib import Path
from typing import get_args

from rich.table import Table

import pipeline
from glass_core.errors import InputError
from pipeline.ledger.dispositions import Word
from pipeline.report.files import PAGE
from pipeline.report.sheet import DefectRow
from pipeline.report.tables import number
from tools.verbs.display import answers


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("review", help="list the defects nobody has judged yet; say what a defect is")
    p.add_argument("folder", type=Path, metavar="DIR", help="folder that run, replay or demo wrote")
    p.add_argument("--defect", type=int, action="append", metavar="N", help="its number in the report; may be repeated")
    p.add_argument("--as", dest="word", choices=get_args(Word), help="what it is; only a defect gets points")
    p.add_argument(
        "--kind", metavar="NAME", help="which kind of defect, in your own words; grading has rules for hole and pinhole"
    )
    p.add_argument("--by", default="", help="who says so (default: the user)")
    p.add_argument("--note", default="")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def show(queue: list[DefectRow], folder: Path) -> None:
    """The queue as a table; pictures by their path."""
    if not queue:
        print("every defect of this run has been reviewed")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("defect", "at, m", "across, mm", "size, mm", "score", "repeat", "picture"):
        table.add_column(name, overflow="fold")
    for d in queue:
        size = f"{number(d.width_mm)} x {number(d.length_mm)}"
        picture = "none kept" if d.picture is None else str(folder / d.picture)
        table.add_row(str(d.number), number(d.at_m, 3), number(d.left_mm), size, f"{d.score:.3f}", d.repeat or "", picture)
    answers().print(table)
    print(f"{len(queue)} to review: glassline review {folder} --defect N --as {'|'.join(get_args(Word))}")


def run(args: argparse.Namespace) -> int:
    """List the queue, or write the word down and issue the report again."""
    if bool(args.defect) != bool(args.word):
        raise InputError("--defect and --as belong together, the command line, give both or none")
    if args.defect:
        by = args.by or getpass.getuser()
        sheet = pipeline.review(args.folder, args.defect, args.word, kind=args.kind, by=by, note=args.note)
        if not args.json:
            print(f"revision {sheet.revision}: {args.folder / PAGE}")
    else:
        sheet = pipeline.read_roll(args.folder / "ledger.sqlite")
    if args.json:
        body = [r.model_dump(mode="json") for r in sheet.waiting]
        print(json.dumps({"schema": 1, "revision": sheet.revision, "waiting": len(body), "queue": body}))
    elif not args.defect:
        show(sheet.waiting, args.folder)
    return 0
