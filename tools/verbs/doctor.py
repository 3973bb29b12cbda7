"""`glassline doctor`: what this machine has, and whether a line can run on it; what a file is, and whether it is read."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

import pipeline
from glass_core.errors import MissingError, NotAccepted
from tools.verbs.display import answers

if TYPE_CHECKING:
    from pipeline.supervision.machine.examination import Machine

STYLES = {"ok": "green", "absent": "yellow", "advice": "cyan"}
"""By a part's status."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("doctor", help="what this machine has: GPU, engines, cameras, weights, network settings")
    p.add_argument(
        "path", metavar="PATH", type=Path, nargs="?", help="say what this file or folder is instead, and if it is read"
    )
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 if a line can run: an engine, a source of pictures, and a place for its sockets; MissingError else.

    With a path: exit 0 if this program reads it; NotAccepted, 1, if it is known and not read.
    """
    if args.path is not None:
        return _tell(args.path, args.json)
    machine = pipeline.examine()
    lacking = machine.missing
    if args.json:
        print(json.dumps({"schema": 1, "can_run": not lacking, "missing": lacking, **machine.model_dump(mode="json")}))
    else:
        answers().print(table(machine))
    if lacking:
        raise MissingError(f"a line cannot run, this machine, {'; '.join(lacking)}")
    return 0


def _tell(path: Path, as_json: bool) -> int:
    found = pipeline.identify(path)
    if as_json:
        print(json.dumps({**found.model_dump(by_alias=True), "path": str(path)}))
    else:
        schema = "" if found.file_schema is None else f", schema {found.file_schema}"
        answers().print(Text(f"{found.kind}{schema}" + (f": {found.text}" if found.reads else "")))
    if not found.reads:
        raise NotAccepted(found.text)
    return 0


def table(machine: Machine) -> Table:
    """For a person."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for part in machine.parts:
        grid.add_row(Text(part.name), Text(part.status, style=STYLES[part.status]), Text(part.text))
    return grid
