"""`python -m tests.nemesis.processes`: schedules one after another, or by `--seed` one again; or with `--kills` only that."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter

from tests.nemesis.checker import Violation
from tests.nemesis.processes.checker import check
from tests.nemesis.processes.known import KNOWN, is_new
from tests.nemesis.processes.play import Stage
from tests.nemesis.processes.record import Deed, Record
from tests.nemesis.processes.recovery import alone, distribution
from tests.nemesis.processes.schedule import draw

MOST_SHOWN = 12


def show(found: list[Violation]) -> None:
    """The first ones of them, and how many there are of each kind."""
    for violation in found[:MOST_SHOWN]:
        print(f"  {violation}", flush=True)
    for (invariant, kind), count in Counter((v.invariant, v.kind) for v in found).items():
        print(f"  {count:5} {invariant} {kind}", flush=True)


def judge(record: Record, trace: list[str]) -> bool:
    """Whether it holds; else its trace is printed."""
    found = check(record)
    new = [violation for violation in found if is_new(violation)]
    if new:
        print("\n".join(trace), flush=True)
    show(new)
    for place, count in Counter((v.invariant, v.kind) for v in found if not is_new(v)).items():
        print(f"  {count:5} known: {KNOWN[place]}", flush=True)
    return not new


def main() -> int:
    """Exit 1 where an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis.processes", description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--seed", type=int, help="this one alone; with --kills the order of its kills")
    parser.add_argument("--kills", type=int, help="so many SIGKILLs over all processes of one line, and no schedule")
    parser.add_argument("--standby", action="store_true", help="with --kills: a worker stands by")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # neither a line nor its disk outlives this
    with Stage() as stage:
        if arguments.kills is not None:
            record = stage.kill(arguments.kills, arguments.seed or 0, arguments.standby, lambda words: print(words, flush=True))
            print("\n".join(distribution(alone(record), arguments.standby)))
            return int(not judge(record, []))
        seeds = range(arguments.first, arguments.first + arguments.count) if arguments.seed is None else [arguments.seed]
        failed: list[int] = []
        took: dict[bool, list[tuple[Deed, float]]] = {False: [], True: []}
        for seed in seeds:
            schedule, began_s, trace = draw(seed), time.monotonic(), list[str]()
            print(schedule, flush=True)
            record = stage.play(schedule, trace.append)
            took[schedule.standby] += alone(record)
            if not judge(record, trace):
                failed.append(seed)
            print(f"  {len(record.rows)} verdicts, {time.monotonic() - began_s:.0f} s", flush=True)
    for standby, measured in took.items():
        print("\n".join(distribution(measured, standby)))
    print(f"{len(seeds)} schedules, {len(failed)} failed", *failed)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
