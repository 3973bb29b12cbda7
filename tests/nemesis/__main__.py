"""`python -m tests.nemesis`: schedules one after another, or by `--seed` one again, with `--trace` all that happens."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace

from tests.nemesis.known import reason
from tests.nemesis.play import Stage, violations
from tests.nemesis.schedule import Schedule, draw


def shrink(stage: Stage, schedule: Schedule) -> Schedule:
    """The same with those faults alone that its violations need."""

    def kinds(of: Schedule) -> set[tuple[str, str]]:
        return {(v.invariant, v.kind) for v in violations(stage.play(of))}

    wanted = kinds(schedule)
    for fault in schedule.faults:
        less = replace(schedule, faults=tuple(f for f in schedule.faults if f is not fault))
        if wanted <= kinds(less):
            schedule = less
    return schedule


def main() -> int:
    """Exit 1 where an invariant was violated for no known reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--shrink", action="store_true", help="with the faults alone that its violations need")
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count) if arguments.seed is None else [arguments.seed]
    known: Counter[str] = Counter()
    failed, began_s = 0, time.monotonic()
    with Stage() as stage:
        for seed in seeds:
            schedule = shrink(stage, draw(seed)) if arguments.shrink else draw(seed)
            found = [(v, reason(v, schedule)) for v in violations(stage.play(schedule, print if arguments.trace else None))]
            known.update(f"{v.invariant} {why}" for v, why in found if why)
            failed += any(not why for _, why in found)
            for violation, why in found:
                if not why or arguments.seed is not None:
                    print(violation, f"[known: {why}]" if why else "", flush=True)
    for why, count in known.most_common():
        print(f"{count:6} known: {why}")
    print(f"{len(seeds)} schedules, {failed} failed, {(time.monotonic() - began_s) / len(seeds) * 1000:.0f} ms each")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
