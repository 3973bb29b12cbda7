"""Kills each process of a live line and measures how long it takes until cloth is judged again.

    python -m tests.line.recovery [--kills 5] [--standby] [--run]

The line is of two replayed cameras with the small model of these tests, by default as an OpenVINO bundle.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

import cv2

from pipeline.config.line import LineConfig
from pipeline.messages.states import Result, State
from tests.line.conftest import good_frame, make_bundle, make_model
from tests.line.test_line import Run, config, running

PROCESSES = ("decision", "worker", "a", "motion", "recorder")


def make_footage(folder: Path) -> Path:
    """Good frames alone."""
    folder.mkdir()
    for n in range(12):
        cv2.imwrite(str(folder / f"{n:03d}.png"), good_frame(100 + n))
    return folder


def is_well(run: Run, since: int) -> bool:
    """RUNNING, cloth may pass, and each camera has a score among what was heard from that message on."""
    state = run.state()
    if state is None or state.state is not State.RUNNING or not state.inspection_ok or not run.line.ready:
        return False
    scored = {v.camera for v in run.heard[since:] if getattr(v, "result", None) in (Result.PASS, Result.DEFECT)}
    return scored == {"a", "b"}


def seconds_to_recover(run: Run, name: str, number: int = signal.SIGKILL) -> float:
    """From a process's end to the line being well with another process in its place."""
    run.until(lambda: is_well(run, 0) and (run.line._standby is None or run.line._standby.ready))
    before = run.pid(name)
    began_s = time.monotonic()
    os.kill(before, number)
    run.until(lambda: (pid := run.pid_or_none(name)) is not None and pid != before)
    since = len(run.heard)
    run.until(lambda: is_well(run, since))
    return time.monotonic() - began_s


def measured(line: LineConfig, kills: int) -> dict[str, list[float]]:
    """Seconds of each kill, by process."""
    found: dict[str, list[float]] = {}
    for name in PROCESSES:
        for _ in range(kills):  # a line anew: three failures in a minute are its limit
            with running(line) as run:
                found.setdefault(name, []).append(seconds_to_recover(run, name))
    return found


def main() -> None:
    """Print the distribution of each process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--standby", action="store_true")
    parser.add_argument("--run", action="store_true", help="the model of a run, converted by OpenVINO when a worker starts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        model = make_model(folder / "run", backend="openvino") if args.run else make_bundle(folder)
        worker = {"backend": "openvino"} | ({"standby": True} if args.standby else {})
        line = config(model, make_footage(folder / "f"), folder / "o", speed_mm_s=120.0, loop=True, worker=worker)
        for process, seconds in measured(line, args.kills).items():
            each = " ".join(f"{s:.2f}" for s in sorted(seconds))
            print(f"{process:10} median {statistics.median(seconds):5.2f} s  most {max(seconds):5.2f} s  ({each})", flush=True)


if __name__ == "__main__":
    main()
