"""`glassline report`: the roll report again, from the ledger."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.report import write_page


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("report", help="write the roll report again from the ledger")
    p.add_argument("folder", type=Path, metavar="DIR", help="folder that run, replay or demo wrote")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write DIR/report.html for the last run in DIR/ledger.sqlite and print its path."""
    print(write_page(args.folder / "ledger.sqlite", args.folder))
    return 0
