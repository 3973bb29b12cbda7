"""The paper's tables beside ours: `python -m tools.reproduce DATA --out DIR` trains and evaluates every class of a data set.

With --append what is done is not done again, so it may be interrupted, and shards may share DIR. Figures are those of the
official protocol, epoch: the last. DATA holds one folder a class, and is called by the name of its set (mvtec, visa, mpdd,
wfdd).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from glass_core.errors import InputError, MissingError
from glass_core.files.whole_file import refused_writes
from glass_core.pictures.datasets import list_classes
from glass_core.pictures.known_sets import known_set
from tools.cli import one_line
from tools.reproduce import published as paper
from tools.reproduce.best_on_test import LABEL
from tools.reproduce.jobs import NEEDED, VARIANTS, Hours, Job, changes, done, run_job
from tools.reproduce.rows import rows, show
from tools.reproduce.weak_sets import on_weak, subsets
from tools.verbs.out import add_out, claimed_out


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 with the tables; prints one JSON object on stdout, tables and progress on stderr."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", type=Path, metavar="DATA", help="folder of the classes of a data set")
    add_out(p, "DIR", "models and results", required=True, adds="do what is not done there yet, and make tables of all")
    p.add_argument("--tables", type=int, nargs="+", choices=sorted(NEEDED), default=[1, 2], help="(default: 1 2)")
    p.add_argument("--classes", nargs="+", metavar="NAME", help="(default: all that DATA has)")
    p.add_argument(
        "--weak", type=Path, nargs="+", default=[], metavar="DIR", help="MAD-man, MAD-sys: subsets for tables 3 and 4"
    )
    p.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    p.add_argument("--shard", default="1/1", metavar="I/N", help="do only every Nth job, beginning with the Ith")
    p.add_argument("--config", type=Path, metavar="YAML", help="its section `train:` changes the preset; every change is said")
    p.add_argument(
        "--best-on-test", type=int, nargs="?", const=1, metavar="EVERY",
        help=f"evaluate every so many epochs (1, as officially) on the test set too; rows '{LABEL}'",
    )  # fmt: skip
    args = p.parse_args(arguments)
    console = Console(stderr=True)
    with claimed_out(args, *VARIANTS), refused_writes(args.out):
        found = reproduce(args, console)
    print(json.dumps(found))
    return 0


def reproduce(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Does the jobs of this shard that are not done, then makes the tables of all that is."""
    names = args.classes or list_classes(args.data)
    if not names:
        raise InputError(f"no classes, {args.data}, give the folder that holds the folders of the classes")
    if args.weak and not {3, 4} & set(args.tables):
        raise InputError("--weak is for tables 3 and 4, the command line, ask for one of them or leave it out")
    if args.best_on_test is not None and args.best_on_test < 1:
        raise InputError(f"bad number of epochs {args.best_on_test}, --best-on-test, say 1 or more")
    weak = {path.resolve().name: subsets(path) for path in args.weak}
    tables = [table for table in args.tables if table != 3 or weak]  # that one needs no models where it has no pictures
    variants = list(dict.fromkeys(variant for table in tables for variant in NEEDED[table]))
    overrides, said = _changes(args, variants)
    for name in names:
        with suppress(InputError):  # its job will say so
            if note := known_set(args.data / name):
                console.print(note, soft_wrap=True, highlight=False)
    jobs = [Job(variant, name, seed) for seed in args.seeds for name in names for variant in variants]
    shard = _shard(jobs, args.shard)
    not_run = {title: "not given, --weak, name its folder" for title in paper.WEAK if 3 in args.tables and title not in weak}
    not_run |= _train(args, [job for job in shard if done(job, args.out, overrides) is None], overrides, console)
    results = {job: result for job in jobs if (result := done(job, args.out, overrides)) is not None}
    tested = {variant for table in {3, 4} & set(tables) for variant in NEEDED[table]} if weak else set()
    for job, result in results.items():
        if args.best_on_test and "best_on_test" not in result:
            not_run[f"{job}, {LABEL}"] = f"no epoch was evaluated on the test set, {job.folder(args.out)}, choose another --out"
        if job.variant in tested:
            try:
                result["weak"], missing = on_weak(job, args.out, args.weak if job in shard else [])
            except InputError as error:
                not_run[f"{job}, weak defects"] = str(error)
            else:
                not_run |= {f"{job}, {part}": why for part, why in missing.items()}
    found = rows(args.data, names, results, args.tables, weak)
    show(found, console)
    said += sorted({words for result in results.values() for words in result["deviations"]})
    for words in said:
        console.print(f"not as in the paper's script: {words}", soft_wrap=True, highlight=False)
    for why in dict.fromkeys(not_run.values()):
        of = "; ".join(what for what, reason in not_run.items() if reason == why)
        console.print(f"not run: {of}: {why}", soft_wrap=True, highlight=False)
    return {"schema": 1, "rows": found, "deviations": said, "not_run": not_run, "waiting": len(jobs) - len(results)}


def _train(args: argparse.Namespace, waiting: list[Job], overrides: dict[str, Any], console: Console) -> dict[str, str]:
    """Does the waiting jobs; why those could not be done that were not. Raises InputError for what is wrong with --out."""
    not_run: dict[str, str] = {}
    seconds: list[float] = []
    hours = Hours(len(waiting), console)
    for number, job in enumerate(waiting):
        if job.variant in not_run:
            continue
        try:
            result = run_job(job, args.data, args.out, overrides, console, args.best_on_test, hours)
        except MissingError as error:  # weights that are not here, for any class: the other rows can still be had
            not_run[job.variant] = str(error)
        except InputError as error:  # pictures or masks of this class: so can the other classes
            if str(job.folder(args.out)) in str(error):
                raise
            not_run[str(job)] = str(error)
        else:
            seconds.append(result["seconds"])
            left = sum(each.variant not in not_run for each in waiting[number + 1 :])
            hours_left = statistics.fmean(seconds) * left / 3600
            console.print(f"{job}: {number + 1} of {len(waiting)}, about {hours_left:.2f} h left")
    return not_run


def _changes(args: argparse.Namespace, variants: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """What --config changes, and that in words; InputError for settings that each row has of its own."""
    if not args.config:
        return {}, []
    overrides, said = changes(args.data, args.config)
    if taken := sorted(overrides.keys() & {"seed", *(key for variant in variants for key in VARIANTS[variant])}):
        raise InputError(f"set by the rows of the tables and --seeds ({', '.join(taken)}), {args.config}, leave it out")
    return overrides, said


def _shard(jobs: list[Job], words: str) -> list[Job]:
    index, _, count = words.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise InputError(f"bad shard {words!r}, --shard, say I/N with 1 <= I <= N")
    return jobs[int(index) - 1 :: int(count)]


if __name__ == "__main__":
    sys.exit(main())
