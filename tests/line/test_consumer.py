"""The reference consumer beside a running line: its output goes when decision stops, and comes back with it."""

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

from tests.line.test_line import config, running
from tests.shared_data import ROOT

WINDOW_S = 0.35
"""The consumer's own default, plus what a busy machine takes to tell."""
GRACE_S = 0.5


class Output:
    """The consumer as its own process, and when its output changed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.changes: list[tuple[float, str]] = []
        assert process.stdout is not None
        self._lines = process.stdout
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._lines:
            self.changes.append((time.monotonic(), line.strip()))

    @property
    def on(self) -> bool:
        return bool(self.changes) and self.changes[-1][1] == "ON"


@contextlib.contextmanager
def consumer(endpoint: str) -> Iterator[Output]:
    words = [sys.executable, str(ROOT / "configs" / "consumer.py"), endpoint, "a", "b"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Output(process)
        finally:
            process.kill()


def test_the_pass_signal_goes_within_its_window_when_decision_stops(model: Path, footage: Path, tmp_path: Path) -> None:
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
        stopped_s = time.monotonic()
        try:
            run.until(lambda: not output.on, limit_s=5.0)
            assert output.changes[-1][0] - stopped_s < WINDOW_S + GRACE_S
            run.until(lambda: time.monotonic() - stopped_s > 1.5)
            assert not output.on
        finally:
            os.kill(decision, signal.SIGCONT)
        run.until(lambda: output.on)
