"""A line beside clients that mean it harm, measured: `python -m tests.line.crowd [--seconds 60]`.

One subscribes to everything and never reads. One names topics that are none and throws garbage as fast as it can. Both have
keys. A third one listens as it should, and newcomers come again and again, one after another. The same line is measured before
the first two come and while they are there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import msgpack
import numpy as np
import zmq

from pipeline.config.line import LineConfig
from pipeline.link.keys import make_keys
from pipeline.messages.verdicts import Verdict
from tests.line.conftest import good_frame, make_bundle
from tests.line.test_line import Run, config, running
from tests.peers import Peers, free_port, pair_of
from tests.shared_data import ROOT

TOPICS = 300_000
SAMPLE_S = 0.2


class Beat(NamedTuple):
    """A heartbeat as the honest client heard it."""

    number: int
    made_ms: float
    heard_ms: float


class Seen(NamedTuple):
    """What the honest client heard in a time, the line's verdicts of it, and the memory of its processes."""

    beats: list[Beat]
    verdicts: list[Verdict]
    rss_mib: dict[str, list[tuple[float, float]]]
    """By process: seconds, and MiB resident."""
    waited_s: list[float]
    """From a newcomer's coming to the first that it hears."""

    def growth_mib_per_min(self, name: str) -> float:
        """Slope of a process's resident memory."""
        seconds, mib = np.array(self.rss_mib[name]).T
        return float(np.polyfit(seconds, mib, 1)[0] * 60)


class Crowd:
    """The clients of a line."""

    def __init__(self, line: LineConfig) -> None:
        assert line.publisher.keys is not None
        self._bind, self._keys, self._peers = line.publisher.bind, line.publisher.keys, Peers()
        self._honest = self._ear("honest", b"Heartbeat")

    def _ear(self, name: str, topic: bytes = b"") -> zmq.Socket:
        return self._peers.ear(self._bind, self._keys, pair_of(self._keys, name), topic)

    @contextmanager
    def hostile(self) -> Iterator[None]:
        """While the two are there."""
        self._ear("stalled")
        words = [sys.executable, "-m", "tests.peers", self._bind, str(TOPICS), str(self._keys), "flood"]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as flood:
            try:
                yield
            finally:
                flood.kill()

    def watch(self, run: Run, seconds: float) -> Seen:
        """Step the line and listen for so long, from the next heartbeat on."""
        while self._honest.poll(0):
            self._honest.recv()
        run.until(lambda: bool(self._honest.poll(0)))
        seen, since, begin_s = Seen([], [], {}, []), len(run.heard), time.monotonic()
        due_s = came_s = begin_s
        newcomer = self._ear("honest")

        def is_over() -> bool:
            nonlocal due_s, came_s, newcomer
            while self._honest.poll(0):
                said = msgpack.unpackb(self._honest.recv_multipart()[1])
                seen.beats.append(Beat(said["number"], said["t_mono_ns"] / 1e6, time.monotonic_ns() / 1e6))
            if (now_s := time.monotonic()) >= due_s:
                due_s = now_s + SAMPLE_S
                for name, pid in run.line.pids.items():
                    seen.rss_mib.setdefault(name, []).append((now_s, resident_mib(pid)))
            if newcomer.poll(0):
                seen.waited_s.append(now_s - came_s)
                newcomer.close()
                newcomer, came_s = self._ear("honest"), now_s
            return now_s >= begin_s + seconds

        run.until(is_over, seconds + 60)
        seen.verdicts.extend(m for m in run.heard[since:] if isinstance(m, Verdict))
        return seen

    def close(self) -> None:
        """Nobody listens any more."""
        self._peers.close()


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def open_line(model: Path, footage: Path, folder: Path, **change: Any) -> LineConfig:
    """A line that is heard over TCP, also by the clients of a crowd."""
    make_keys(folder / "keys", ["honest", "stalled", "flood"])
    publisher = {"kind": "publisher", "bind": f"tcp://127.0.0.1:{free_port()}", "keys": folder / "keys"}
    return config(model, footage, folder, loop=True, outputs=[publisher], **change)


def show(what: str, seen: Seen) -> None:
    """The figures of one time."""
    made, heard = (np.array([b[at] for b in seen.beats]) for at in (1, 2))
    late_ms, apart_ms = heard - made, np.diff(heard)
    missing = seen.beats[-1].number - seen.beats[0].number + 1 - len(seen.beats)
    results = Counter(str(v.reason or v.result) for v in seen.verdicts)
    latency_ms = np.percentile([v.latency_ms for v in seen.verdicts if v.latency_ms is not None], [50, 99])
    print(f"{what}: {dict(results)}; latency p50 {latency_ms[0]:.0f}, p99 {latency_ms[1]:.0f} ms")
    print(
        f"  {len(seen.beats)} heartbeats, {missing} lost; apart p50 {np.median(apart_ms):.0f}, most {apart_ms.max():.0f} ms; "
        f"on the way p50 {np.median(late_ms):.1f}, p99 {np.percentile(late_ms, 99):.1f}, most {late_ms.max():.1f} ms"
    )
    waited_s = np.array(seen.waited_s or [np.nan])
    print(f"  {len(seen.waited_s)} newcomers hear it after p50 {np.median(waited_s):.2f}, most {waited_s.max():.2f} s")
    for name, samples in seen.rss_mib.items():
        grown = seen.growth_mib_per_min(name)
        print(f"  {name:9} {samples[0][1]:6.1f} to {samples[-1][1]:6.1f} MiB, {grown:+.2f} MiB a minute", flush=True)


def main() -> None:
    """Print what was seen without the two and with them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="for each (default: 60)")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_RUNTIME_DIR"] = name
        model = make_bundle(folder, "openvino")
        (folder / "f").mkdir()
        for n in range(12):
            cv2.imwrite(str(folder / "f" / f"{n:03d}.png"), good_frame(100 + n))
        line = open_line(model, folder / "f", folder, speed_mm_s=30.0, worker={"backend": "openvino"})
        with running(line) as run, closing(Crowd(line)) as crowd:
            run.until(lambda: run.line.ready and len(run.verdicts()) >= 8)
            pids = run.line.pids
            show("without them", crowd.watch(run, seconds))
            with crowd.hostile():
                show("with them", crowd.watch(run, seconds))
            print("nothing was started again" if run.line.pids == pids else "something was started again")


if __name__ == "__main__":
    main()
