"""What a worker judges that is offered more than it can do: `python -m tools.studies.overload`.

The real worker in a process of its own, over ipc sockets; this process sends it frames of two cameras of different width, and
counts the scores that come within the budget. The engine is a run's or a bundle's (--model), or a stand-in that multiplies
matrices. Capacity is what the same worker scores of frames without a budget, sent as fast as it takes them, before and
after each load. All of it is measured twice, the second time beside as many processes that only compute as there are
processors. On a machine that others use as well the capacity moves between the measurements, and so do the shares of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from pipeline.link.protocol import portion
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.supervision.loop import loop
from pipeline.supervision.process import die_with_parent
from pipeline.worker.job import Model
from pipeline.worker.stage import Worker
from tools.cli import one_line
from tools.studies.path import StillEngine

LOADS = (0.5, 1.0, 2.0, 4.0)
SHAPES = {"narrow": (256, 704), "wide": (256, 1600)}
"""Height and width in px of each camera's frames: 3 and 7 tiles."""
MAX_BATCH = 16
SIDE = 320
"""Of the matrices that the stand-in multiplies for each tile."""
READY_S = 120.0


class MatrixEngine(StillEngine):
    """As slow as multiplying matrices is."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self._matrix = np.random.default_rng(0).random((SIDE, SIDE), np.float32)

    def score(self, tiles: np.ndarray) -> np.ndarray:
        """See StillEngine."""
        for _ in tiles:
            self._matrix @ self._matrix
        return super().score(tiles)


def be_worker(folder: Path, model: Path | None) -> None:
    """Score what comes until the parent ends."""
    die_with_parent()
    link = ZmqLink(folder)
    engine = load_engine(model) if model else MatrixEngine()
    side_px = engine.definition.tiling.tile_px
    engine.score(np.zeros((MAX_BATCH, side_px, side_px), np.uint8))
    worker = Worker(link.inbox("worker"), link.outbox("decision"), {"": Model(engine, 1.0)}, MAX_BATCH, 5_000_000, 0)
    loop([worker], link.wait, lambda: False)


class Offer:
    """Sends frames to the worker, and hears its scores."""

    def __init__(self, link: ZmqLink) -> None:
        self._link, self._inbox = link, link.inbox("decision")
        self._outboxes = {camera: link.outbox("worker") for camera in SHAPES}
        noise = np.random.default_rng(0)
        self._pixels = {camera: noise.integers(0, 256, shape, np.uint8).tobytes() for camera, shape in SHAPES.items()}
        self._numbers = itertools.count()
        self._taken_ns: dict[int, int] = {}

    def run(self, seconds: float, per_s: float, budget_ms: float | None) -> tuple[Counter[str], Counter[str], int]:
        """Frames offered and judged in time, by camera, and tiles judged; `per_s` frames of each camera."""
        begin_ns = time.monotonic_ns()
        end_ns = begin_ns + int(seconds * 1e9)
        offered, judged, tiles = Counter[str](), Counter[str](), 0
        while (now_ns := time.monotonic_ns()) < end_ns + int((budget_ms or 0) * 1e6):
            for number, camera in enumerate(SHAPES):
                due_ns = begin_ns + int((offered[camera] + number / 2) / per_s * 1e9) if budget_ms else now_ns
                if due_ns <= now_ns < end_ns and (self._send(camera, budget_ms) or budget_ms):
                    offered[camera] += 1
            for message, _ in portion(self._inbox):
                if not isinstance(message, ScoreMap) or (taken_ns := self._taken_ns.get(message.seq)) is None:
                    continue
                if budget_ms is None or taken_ns >= max(begin_ns, time.monotonic_ns() - budget_ms * 1e6):
                    judged[message.camera] += 1
                    tiles += message.tiles
            self._link.wait(1)
        return offered, judged, tiles

    def capacity_per_s(self, seconds: float) -> float:
        """Tiles that the worker scores where nothing is ever late."""
        return self.run(seconds, 1, None)[2] / seconds

    def _send(self, camera: str, budget_ms: float | None) -> bool:
        seq, now_ns = next(self._numbers), time.monotonic_ns()
        frame = Frame(
            camera=camera, boot_id="study", seq=seq, t_mono_ns=now_ns, t_utc_ns=0, block_id=seq, shape=SHAPES[camera],
            pixel_format="Mono8", budget_ms=budget_ms,
        )  # fmt: skip
        self._taken_ns[seq] = now_ns
        return self._outboxes[camera].send(frame, self._pixels[camera])

    def wait(self) -> None:
        """Until the worker answers, and has nothing more to do."""
        end_s = time.monotonic() + READY_S
        while not self.run(0.5, 1, None)[2]:
            if time.monotonic() > end_s:
                raise InputError(f"no score for {READY_S:.0f} s, the worker, see the lines above")
        while any(isinstance(m, ScoreMap) for m, _ in portion(self._inbox)):
            time.sleep(2)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Beside so many processes that only compute."""
    with ExitStack() as stack:
        for _ in range(processes):
            other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(other.wait)
            stack.callback(other.kill)
        yield


def measure(model: Path | None, seconds: float, budget_ms: float) -> list[dict[str, Any]]:
    """One row for each load, on a machine that is idle and on one that is not."""
    rows = []
    command = [sys.executable, "-m", "tools.studies.overload", *(("--model", str(model)) if model else ()), "--worker"]
    with tempfile.TemporaryDirectory(prefix="glassline-study-") as name, ExitStack() as stack:
        link = ZmqLink(Path(name) / "ipc")
        stack.callback(link.close)
        one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # more of them would wait for each other beside busy processes
        worker = subprocess.Popen([*command, str(link.folder)], env=one_thread)
        stack.callback(worker.wait)
        stack.callback(worker.kill)
        offer, tiling = Offer(link), (read_info(model).score if model else StillEngine.definition).tiling
        for others in (0, os.cpu_count() or 1):
            with busy(others):
                for load in LOADS:
                    offer.wait()
                    before_per_s = offer.capacity_per_s(seconds / 2)
                    offer.wait()
                    of_both = sum(len(tiling.layout(*shape).tiles) for shape in SHAPES.values())
                    offered, judged, tiles = offer.run(seconds, load * before_per_s / of_both, budget_ms)
                    per_s = (before_per_s + offer.capacity_per_s(seconds / 2)) / 2  # other people's work comes and goes
                    shares = {camera: judged[camera] / offered[camera] for camera in SHAPES}
                    rows.append({
                        "busy_processes": others, "capacity_tiles_per_s": per_s, "load": load,
                        "judged_of_capacity": tiles / seconds / per_s, "judged_of_offered": shares,
                    })  # fmt: skip
                    show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    """A line of the table on stderr, as soon as it is known."""
    shares = ", ".join(f"{camera} {share:.2f}" for camera, share in row["judged_of_offered"].items())
    print(
        f"{row['busy_processes']} busy, {row['capacity_tiles_per_s']:6.0f} tiles/s, load {row['load']:3.1f}: "
        f"judged {row['judged_of_capacity']:.2f} of capacity; of the frames offered {shares}", file=sys.stderr, flush=True
    )  # fmt: skip


@one_line
def main() -> int:
    """Exit as the command line does."""
    p = argparse.ArgumentParser(prog="python -m tools.studies.overload", description="What an overloaded worker judges.")
    p.add_argument("--model", type=Path, metavar="RUN", help="a model to score with (default: a stand-in)")
    p.add_argument("--seconds", type=float, default=10.0, help="for each load (default: 10)")
    p.add_argument("--budget-ms", type=float, default=500.0, help="of each frame (default: 500)")
    p.add_argument("--json", action="store_true", help="also print one JSON object on stdout")
    p.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.worker:
        be_worker(args.worker, args.model)
    rows = measure(args.model, args.seconds, args.budget_ms)
    if args.json:
        print(json.dumps({"schema": 1, "budget_ms": args.budget_ms, "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
