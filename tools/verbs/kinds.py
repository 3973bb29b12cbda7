"""`glassline kinds`: what kind each defect perhaps is, learned from what people named; and reviewed crops for other tools."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from glass_core.errors import InputError
from glass_core.kinds.kept import INFO_FILE
from pipeline.report import export_crops, propose_kinds
from tools.verbs.display import Display, answers
from tools.verbs.out import add_out, claimed_out

if TYPE_CHECKING:
    from glass_core.kinds.classifier import CrossValidation
    from pipeline.report.kinds import Proposed


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("kinds", help="learn kinds of defect from the review, and propose them for the others")
    p.add_argument(
        "ledgers", type=Path, nargs="+", metavar="LEDGER", help="folder that run, replay or demo wrote, or its ledger"
    )
    p.add_argument("--model", type=Path, metavar="RUN", help="RUN or BUNDLE whose trunk looks at the pictures")
    add_out(p, "DIR", "learn from the named defects, and keep what was learned there")
    p.add_argument("--learned", type=Path, metavar="DIR", help="propose what an earlier --out has learned")
    p.add_argument("--export", type=Path, metavar="DIR", help="copy the reviewed crops into a new folder")
    p.add_argument("--coco", action="store_true", help="export one COCO JSON instead of a folder for each class")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 whatever is proposed."""
    learning = args.out is not None or args.learned is not None
    if learning != (args.model is not None) or (args.out and args.learned) or (args.coco and not args.export):
        raise InputError("--model goes with --out or with --learned, --coco with --export, the command line, see --help")
    if not learning and not args.export:
        raise InputError("nothing to do, the command line, give --model and --out, or --export")
    told: dict[str, Any] = {"schema": 1}
    console = answers()
    if args.export:
        told["exported"] = export_crops(args.ledgers, args.export, "coco" if args.coco else "folders")
        if not args.json:
            counts = ", ".join(f"{label} {count}" for label, count in sorted(told["exported"].items()))
            console.print(f"{args.export}: {counts}", soft_wrap=True)
    if learning:
        with claimed_out(args, INFO_FILE), Display() as display:
            found = propose_kinds(args.ledgers, args.model, out=args.out, learned=args.learned, report=display)
        told |= _facts(found)
        if not args.json:
            show(found, console)
    if args.json:
        print(json.dumps(told))
    return 0


def show(found: Proposed, console: Console) -> None:
    """For a person: how left-out examples fared, and what is proposed."""
    if (v := found.validation) is not None:
        table = Table("person says", *v.kinds, "unknown", "of a kind never seen", box=None, padding=(0, 2, 0, 0))
        for kind, row, (told, seen) in zip(v.kinds, v.confusion, v.unseen, strict=True):
            table.add_row(kind, *map(str, row), f"{told} of {seen} unknown" if seen else "too few kinds to tell")
        console.print(table)
        console.print(f"{_share(v.named)} of the examples named, {_share(v.right)} of these rightly, each left out in turn")
        console.print(f"{_share(v.unknown)} called unknown when their whole kind is left out")
        if few := sorted(set(found.examples) - set(v.kinds)):
            console.print(f"too few examples: {', '.join(few)}", soft_wrap=True)
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(found.proposals.items()))
    console.print(f"proposed: {counts or 'nothing, no defect waits for a kind'}", soft_wrap=True)
    for page in found.pages:
        console.print(str(page), soft_wrap=True)


def _facts(found: Proposed) -> dict[str, Any]:
    v = found.validation
    return {
        "examples": found.examples, "cross_validation": None if v is None else _figures(v), "proposed": found.proposals,
        "pages": [str(page) for page in found.pages],
    }  # fmt: skip


def _figures(v: CrossValidation) -> dict[str, Any]:
    return {
        "kinds": v.kinds, "named": v.named, "right": v.right, "unseen_called_unknown": v.unknown,
        "confusion": v.confusion.tolist(),
    }  # fmt: skip


def _share(value: float | None) -> str:
    return "not known:" if value is None else f"{100 * value:.0f} %"
