"""`glassline compare`: the same footage through two models, engines or cards, before one takes the other's place."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

import pipeline
from pipeline.config.cards import load_config
from tools.verbs.display import Display, answers
from tools.verbs.out import add_out, claimed_out

if TYPE_CHECKING:
    from pipeline.report.comparing import Comparison

SHOWN = 20


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("compare", help="the same footage through two models, engines or cards")
    p.add_argument("a", type=Path, metavar="A", help="RUN or BUNDLE in force; or a card file in its folder, to compare cards")
    p.add_argument("b", type=Path, metavar="B", help="the one that is to replace it")
    p.add_argument("source", type=Path, metavar="SOURCE", help="image folder, data set, video or recording")
    p.add_argument("--config", type=Path, help="YAML of a line: its worker, decision and camera geometry are used")
    add_out(p, "DIR", "folder for both records (default: a new one in the temporary folder)")
    p.add_argument("--flips", type=int, default=0, metavar="N", help="frames whose verdict may differ (default: 0)")
    p.add_argument("--shift", type=float, metavar="X", help="how far 99 of 100 scores may move (default: any)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when B may replace A, 1 when it differs by more than allowed."""
    line = load_config(args.config) if args.config else None
    with claimed_out(args, "a/ledger.sqlite"), Display() as display:
        found = pipeline.compare(
            args.a, args.b, args.source, config=line, out=args.out, flips=args.flips, shift=args.shift, report=display
        )
    if args.json:
        print(json.dumps(found.model_dump(mode="json", by_alias=True)))
    else:
        show(found, answers())
    return 0 if found.accepted else 1


def show(found: Comparison, console: Console) -> None:
    """For a person: the flips with their pictures, then the verdict."""
    if found.flips:
        table = Table("frame", "A", "B", title=f"{len(found.flips)} of {found.frames} verdicts differ")
        table.add_column("picture", overflow="fold")
        for flip in found.flips[:SHOWN]:
            sides = ((flip.a, flip.score_a), (flip.b, flip.score_b))
            scores = (f"{result} {'' if score is None else format(score, '.3f')}" for result, score in sides)
            table.add_row(f"{flip.camera} {flip.frame} {flip.origin}", *scores, str(flip.picture or "none kept"))
        console.print(table)
    shift, defects = found.score_shift, found.defects
    if shift.q99 is not None:
        console.print(f"scores moved by {shift.q50:.2g} (half), {shift.q99:.2g} (99 of 100), {shift.most:.2g} at most")
    console.print(f"defects: {defects.a} and {defects.b}; {defects.only_a} only A's, {defects.only_b} only B's")
    said = "B may take A's place" if found.accepted else "B DIFFERS BY MORE THAN ALLOWED: keep A"
    console.print(f"{len(found.flips)} of {found.frames} verdicts differ: {said}")
    console.print(f"records: {found.out}", soft_wrap=True, highlight=False)
