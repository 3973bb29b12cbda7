"""`python -m tests.nemesis`: schedules one after another, or by `--seed` one again, with `--trace` all that happens."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.nemesis.known import reason
from tests.nemesis.play import Stage, violations


def main() -> int:
    """Exit 1 where an invariant was violated for no known reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.nemesis", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--trace", action="store_true")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.count) if arguments.seed is None else [arguments.seed]
    known: Counter[str] = Counter()
    failed, began_s = 0, time.monotonic()
    with Stage() as stage:
        for seed in seeds:
            history, schedule = stage.play(seed, print if arguments.trace else None)
            found = violations(history)
            new = [v for v in found if not (why := reason(v, schedule)) or known.update([f"{v.invariant} {why}"])]
            failed += bool(new)
            for violation in found if arguments.seed is not None else new:
                print(violation, f"[known: {why}]" if (why := reason(violation, schedule)) else "", flush=True)
    for why, count in known.most_common():
        print(f"{count:6} known: {why}")
    print(f"{len(seeds)} schedules, {failed} failed, {(time.monotonic() - began_s) / len(seeds) * 1000:.0f} ms each")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
