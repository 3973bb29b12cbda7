"""`glassline validate`: everything about a line that can be known without starting it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.table import Table
from rich.text import Text

import pipeline
from glass_core.errors import InputError
from pipeline.config.cards import read_line
from pipeline.config.schema import config_schema
from pipeline.supervision.validation.finding import Finding
from tools.verbs.display import Display, answers
from tools.verbs.next_step import after_validate

STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}
"""By a finding's status."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("validate", help="everything about a line that can be known without starting it")
    p.add_argument("config", type=Path, nargs="?", metavar="CONFIG", help="YAML of the line")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.add_argument("--schema", action="store_true", help="print the JSON Schema of a configuration, for editors, and end")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 when the line can be started; 1 when a finding is an error; 2 when the file is no configuration."""
    if args.schema:
        print(json.dumps(config_schema(), indent=1))
        return 0
    if args.config is None:
        raise InputError("no configuration, the command line, give CONFIG, or --schema")
    with Display() as display:
        found = pipeline.validate(args.config, display)
    if args.json:
        print(json.dumps(found.model_dump(mode="json", by_alias=True)))
    else:
        answers().print(table(found.findings))
        if found.valid and (line := read_line(args.config)).cameras:  # else settings of a training alone
            print(after_validate(args.config, line))
    return 0 if found.valid else 1


def table(findings: tuple[Finding, ...]) -> Table:
    """For a person."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for finding in findings:
        grid.add_row(Text(finding.status, style=STYLES[finding.status]), Text(finding.about), Text(finding.text))
    return grid
