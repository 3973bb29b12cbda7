"""The reference consumer as a process: its output goes when decision stops, and comes back with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
