"""`glassline soak`: run a line under load for a long time, and say whether anything in it grows."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from glass_core.errors import InputError
from glass_core.files.whole_file import refused_writes, whole_file
from pipeline.config.cards import load_config
from pipeline.supervision.soaking import SAMPLES, Soaked, soak
from tools.verbs.display import Display, answers
from tools.verbs.out import add_out, claimed_out

ANSWER, PICTURE = "soak.json", "soak.png"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser(
        "soak", help="run a line for a long time: does memory, a queue or anything else grow?",
        description="Runs the line as its config says, its outputs included, with a record of its own. Each figure's second "
        "half is judged: it grows where the whole 99.9 %% interval of its Theil-Sen slope is above what it may grow a day. "
        "The figures for 30 days carry that slope on in a straight line.",
    )  # fmt: skip
    p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line; its cameras set the load")
    p.add_argument("--minutes", type=float, default=60.0, metavar="N", help="from when the line is ready (default: 60)")
    add_out(p, "DIR", "folder for the samples, the record, the answer and its picture", required=True)
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 where nothing grows and every process lived, 1 else."""
    config = load_config(args.config)
    if not args.minutes > 0:
        raise InputError(f"{args.minutes:g} minutes, --minutes, give a number above 0")
    with claimed_out(args, SAMPLES), refused_writes(args.out):
        with Display() as display:
            found = soak(config, args.minutes, args.out, report=display)
        answer = found.model_dump_json(by_alias=True)
        with whole_file(args.out / ANSWER) as part:
            part.write_text(answer + "\n", encoding="utf-8")
        from tools.bench.soak_picture import draw

        draw(found, args.out / PICTURE)
    if args.json:
        print(answer)
    else:
        show(found)
    return 0 if found.steady else 1


def show(found: Soaked) -> None:
    """For a person: what grows, or all figures where nothing does."""
    console = answers()
    names = found.growing or list(found.trends)
    table = Table("figure", title="these grow more than they may" if found.growing else "nothing grows more than it may")
    for heading in ("level", "a day", "at least", "may grow", "seen from", "in 30 days"):
        table.add_column(heading, justify="right")
    for name in names:
        t = found.trends[name]
        values = (t.level, t.per_day, t.low_per_day, t.allowed_per_day, t.seen_from_per_day, t.in_30_days)
        table.add_row(name, *(f"{value:,.1f}" for value in values))
    console.print(table)
    judged = f"{found.minutes:g} minutes, {found.frames:,} frames, {found.not_inspected:,} not inspected"
    died = "".join(f"; {name} was started again {n} times" for name, n in found.restarts.items())
    if any(t.seen_from_per_day > t.allowed_per_day for t in found.trends.values()):
        console.print("so short a soak sees only what grows faster than `seen from`; a day or more sees all that may not be")
    console.print(f"{'steady' if found.steady else 'NOT STEADY'}: {judged}{died}; {found.out}/{PICTURE}")
