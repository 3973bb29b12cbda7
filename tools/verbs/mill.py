"""`glassline mill`: what many rolls say together."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.report.mill.figures import Figure
from pipeline.report.mill.rows import Terms
from pipeline.report.mill.survey import survey_mill

SHOWN = 10


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("mill", help="statistics over the rolls of many ledgers: what, where, on which loom and shift")
    p.add_argument("ledgers", type=Path, nargs="+", metavar="LEDGER", help="what run, replay or demo wrote; all its runs count")
    p.add_argument("--html", type=Path, metavar="FILE", help="write a page")
    p.add_argument("--csv", type=Path, metavar="FILE", help="write the figures as one long table")
    p.add_argument("--parquet", type=Path, metavar="FILE", help="the same table")
    p.add_argument(
        "--loom",
        type=_pattern,
        metavar="PATTERN",
        help="regular expression that finds the loom in a roll's name, e.g. '^L[0-9]+' (default: each line is one loom)",
    )
    p.add_argument(
        "--shifts", type=_hours, default=Terms.shifts, metavar="H,H", help="hours at which shifts begin (default: 6,14,22)"
    )
    p.add_argument(
        "--timezone", type=_zone, metavar="NAME", help="of shifts and weeks, e.g. Europe/Berlin (default: this machine's)"
    )
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Write the files and print their paths, or print the figures. Where a ledger cannot be read nothing is written."""
    found = survey_mill(args.ledgers, Terms(args.loom, args.shifts, args.timezone))
    if found.warning:
        print(found.warning, file=sys.stderr)
    for path, write in ((args.html, found.write_page), (args.csv, found.write_csv), (args.parquet, found.write_parquet)):
        if path is not None:
            write(path)
            print(path)
    if not (args.html or args.csv or args.parquet):
        print(_text(found.figures))
    return 0


def _text(figures: Sequence[Figure]) -> str:
    """The first few lines of each statistic."""
    lines, of = list[str](), dict[str, list[Figure]]()
    for figure in figures:
        of.setdefault(figure.statistic, []).append(figure)
    for statistic, own in of.items():
        lines.append(statistic)
        lines += [f"  {f.name:24} {_figure(f)}" for f in own[:SHOWN]]
        if len(own) > SHOWN:
            lines.append(f"  and {len(own) - SHOWN} more")
    return "\n".join(lines)


def _figure(f: Figure) -> str:
    if f.statistic == "reason":
        return f"{f.not_inspected_m or 0:10.3f} m {100 * (f.share or 0):6.1f} %"
    if f.share is not None:
        return f"{f.defects or 0:10,} defects {100 * f.share:6.1f} %"
    per = "" if f.points_per_100_m2 is None else f" {f.points_per_100_m2:8.1f} points per 100 m2"
    return f"{f.rolls:6,} rolls {f.inspected_m or 0:10.1f} m{per}"


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as e:
        raise argparse.ArgumentTypeError(f"no regular expression ({e}), {text}") from None


def _hours(text: str) -> tuple[int, ...]:
    hours = tuple(int(hour) for hour in text.split(",") if hour.isascii() and hour.isdecimal())
    if len(hours) != len(text.split(",")) or len(set(hours)) != len(hours) or max(hours) > 23:
        raise argparse.ArgumentTypeError(f"no hours of a day ({text}), give for example 6,14,22")
    return hours


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"no time zone ({text}), give for example Europe/Berlin") from None
