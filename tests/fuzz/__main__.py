"""`python -m tests.fuzz --minutes N`: every target in turn, in children with bounded memory, and how many inputs were tried.

A child that ends in an error, takes too long, or outgrows its memory ends the run: its target and seed are printed, and
`python -m tests.fuzz --only TARGET --seed SEED --count N` plays exactly that again.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

MEMORY_BYTES = 6 << 30
"""Of a child, address space: torch and OpenVINO alone reserve half of it."""
PATIENCE_S = 300
CHUNK_S = 10
TARGETS = sorted(p.stem.removeprefix("test_") for p in Path(__file__).parent.glob("test_*.py"))


def one(target: str, seed: int, count: int) -> None:
    """In a child: `count` inputs of a target."""
    importlib.import_module(f"tests.fuzz.test_{target}").fuzz(seed, count)


def chunk(target: str, seed: int, count: int) -> float:
    """The seconds that a child took; ends the program where it failed."""
    words = [sys.executable, "-m", "tests.fuzz", "--only", target, "--seed", str(seed), "--count", str(count)]
    began = time.monotonic()
    try:
        done = subprocess.run(
            words,
            timeout=PATIENCE_S,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{target}: HANGS (over {PATIENCE_S} s), seed {seed}, {count} inputs")
    if done.returncode:
        sys.exit(f"{done.stderr[-4000:]}\n{target}: FAILED, {' '.join(words[1:])}")
    return time.monotonic() - began


def main() -> None:
    """Every target gets an equal share of the time."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", choices=TARGETS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help="just so many inputs of --only, in this process")
    args = parser.parse_args()
    if args.only and args.count:
        one(args.only, args.seed, args.count)
        return
    targets = [args.only] if args.only else TARGETS
    total = 0
    for target in targets:
        ends = time.monotonic() + 60 * args.minutes / len(targets)
        seed, tried, count = args.seed, 0, 8
        while time.monotonic() < ends:
            took_s = chunk(target, seed, count)
            seed, tried = seed + count, tried + count  # a target may take a seed for each input
            if took_s < CHUNK_S:
                count = min(count * 4, 1 << 16)
        total += tried
        print(f"{target:<16} {tried:>9} inputs, seeds {args.seed} to {seed - 1}", flush=True)
    print(f"{'all':<16} {total:>9} inputs, none failed")


if __name__ == "__main__":
    main()
