"""The reference consumer as a process: its output goes when decision stops or rejects, and comes back with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest
import zmq

from tests.line.test_line import config, running
from tests.shared_data import ROOT

CONSUMER = [sys.executable, str(ROOT / "configs" / "consumer.py")]
LIMIT_S = 60.0


class Output:
    """The consumer as its own process, and when its output changed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.changes: list[str] = []
        assert process.stdout is not None
        self._lines = process.stdout
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._lines:
            self.changes.append(line.strip())

    @property
    def on(self) -> bool:
        return bool(self.changes) and self.changes[-1] == "ON"


@contextlib.contextmanager
def consumer(endpoint: str) -> Iterator[Output]:
    words = [*CONSUMER, endpoint, "a", "b"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Output(process)
        finally:
            process.kill()


def test_the_pass_signal_goes_when_decision_stops_and_comes_back_with_it(model: Path, footage: Path, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path / 'air'}"
    good = tmp_path / "good"
    good.mkdir()
    for picture in footage.glob("00[0-3].png"):
        (good / picture.name).symlink_to(picture)
    line = config(model, good, tmp_path, speed_mm_s=100.0, loop=True, outputs=[{"kind": "publisher", "bind": endpoint}])
    with running(line) as run, consumer(endpoint) as output:
        run.until(lambda: output.on)
        decision = run.pid("decision")
        os.kill(decision, signal.SIGSTOP)
        try:
            run.until(lambda: not output.on)
            changes = len(output.changes)
            time.sleep(1.5)
            assert len(output.changes) == changes  # it stays off
        finally:
            os.kill(decision, signal.SIGCONT)
        run.until(lambda: output.on)


class Air:
    """A line that publishes every two milliseconds and never pauses: verdicts on two cameras, and heartbeats."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.bind(f"ipc://{path}")
        self._numbers = {"Heartbeat": 0, "Verdict": 0}
        self._sent = 0

    def until(self, done: Callable[[], bool], result: str) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not done():
            assert time.monotonic() < end_s, "not in time"
            self._sent += 1
            if self._sent % 20 == 0:
                self._say("Heartbeat", state="RUNNING", inspection_ok=True, verdicts=self._numbers["Verdict"])
            else:
                self._say("Verdict", camera="ab"[self._sent % 2], seq=self._sent, result=result)
            time.sleep(0.002)

    def _say(self, kind: str, **facts: object) -> None:
        said = {"v": 1, "t": kind, "generation": 0, "number": self._numbers[kind], "t_mono_ns": time.monotonic_ns(), **facts}
        self._numbers[kind] += 1
        self._socket.send_multipart([kind.encode(), msgpack.packb(said), b""])

    def close(self) -> None:
        self._context.destroy(linger=0)
        self._path.unlink()


def test_the_output_changes_also_while_messages_never_cease(tmp_path: Path) -> None:
    with contextlib.closing(Air(tmp_path / "air")) as air, consumer(f"ipc://{tmp_path / 'air'}") as output:
        air.until(lambda: output.on, "PASS")
        air.until(lambda: not output.on, "DEFECT")
        assert output.changes[-1].startswith("OFF (")
        air.until(lambda: output.on, "PASS")


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path) -> None:
    with consumer(f"ipc://{tmp_path / 'air'}") as output:
        assert output.process.stdout is not None and output.process.stderr is not None
        while not output.changes:  # it is in its loop
            time.sleep(0.01)
        output.process.send_signal(signal.SIGINT)
        assert output.process.wait(LIMIT_S) == 0 and output.process.stderr.read() == ""


@pytest.mark.parametrize("endpoint", ["nonsense", "ipc://", "tcp://127.0.0.1:x"])
def test_a_wrong_endpoint_is_told_in_a_line(endpoint: str) -> None:
    done = subprocess.run([*CONSUMER, endpoint, "a"], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 2 and f"endpoint {endpoint}: " in done.stderr and "Traceback" not in done.stderr
