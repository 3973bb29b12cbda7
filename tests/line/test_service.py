"""A line as systemd holds it: it says when it is up, nothing outlives it, and the next one runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from pipeline.ledger.reading import read_runs, read_states, read_verdicts
from pipeline.messages.states import Result, State
from pipeline.supervision.runtime_folder import is_running

LIMIT_S = 90.0
FRAME_MM = 128 * 0.2


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """It has a watchdog of three seconds."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "notify"))
        there.settimeout(0.2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")
        yield there
    (tmp_path / "notify").unlink()


def written(model: Path, footage: Path, folder: Path) -> Path:
    """Two cameras under a simulated cloth."""
    camera = {"source": "replay", "path": str(footage), "loop": True, "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}
    body = {
        "line": {"name": "served"}, "model": str(model), "worker": {"backend": "torch"}, "decision": {"budget_ms": 3000},
        "motion": {"source": "simulated", "speed_mm_s": 60},
        "cameras": [{"name": "a", **camera}, {"name": "b", "x_offset_mm": 51.2, **camera}],
        "ledger": {"path": str(folder / "ledger.sqlite")},
    }  # fmt: skip
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


@contextmanager
def started(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "tools", "run", str(config), "--slow-ok"]
    line = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield line
    finally:
        line.kill()
        line.wait()


def until(done: Callable[[], bool], limit_s: float = LIMIT_S) -> float:
    began_s = time.monotonic()
    while not done():
        assert time.monotonic() - began_s < limit_s
        time.sleep(0.05)
    return time.monotonic() - began_s


def words_of(systemd: socket.socket, seconds: float) -> list[str]:
    end_s, said = time.monotonic() + seconds, list[str]()
    while time.monotonic() < end_s:
        try:
            said.append(systemd.recv(4096).decode())
        except TimeoutError:
            continue
    return said


def until_up(systemd: socket.socket) -> None:
    end_s = time.monotonic() + LIMIT_S
    while "READY=1" not in words_of(systemd, 0.2):
        assert time.monotonic() < end_s


def children(pid: int) -> list[int]:
    return [int(p) for t in Path(f"/proc/{pid}/task").glob("*/children") for p in t.read_text().split()]


def is_there(pid: int) -> bool:
    """A zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def run_ids(config: Path) -> list[str]:
    ledger = config.with_name("ledger.sqlite")
    return list(read_runs(ledger)) if ledger.exists() else []


def scored(config: Path, run_id: str) -> set[str]:
    ledger = config.with_name("ledger.sqlite")
    return {v.camera for v in read_verdicts(ledger, run_id) if v.result is not Result.NOT_INSPECTED}


def test_a_supervisor_that_is_killed_leaves_nobody_and_the_next_one_runs(
    model: Path, footage: Path, tmp_path: Path, systemd: socket.socket
) -> None:
    config, ledger = written(model, footage, tmp_path), tmp_path / "ledger.sqlite"

    def has_judged(run: int) -> bool:
        return len(run_ids(config)) == run + 1 and scored(config, run_ids(config)[run]) == {"a", "b"}

    with started(config) as first:
        until_up(systemd)
        until(lambda: has_judged(0))
        held = children(first.pid)
        assert len(held) == 6 and is_running("served")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        until(lambda: not any(map(is_there, held)), 1.0)
    assert not is_running("served")
    with started(config) as second:
        until_up(systemd)
        until(lambda: has_judged(1) and any(s.state is State.RUNNING for s in read_states(ledger, run_ids(config)[1])))
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
    assert words_of(systemd, 0.5)[-1] == "STOPPING=1"
    for run_id in run_ids(config):  # within each of both no millimetre and no number is without its word
        for camera in "ab":
            got = [v for v in read_verdicts(config.with_name("ledger.sqlite"), run_id) if v.camera == camera]
            reached_mm = 0.0
            for start_mm, end_mm in sorted(
                (v.start_mm, v.end_mm) for v in got if v.start_mm is not None and v.end_mm is not None
            ):
                assert start_mm <= reached_mm + 1e-3, (run_id, camera, start_mm, reached_mm)
                reached_mm = max(reached_mm, end_mm)
            assert reached_mm >= FRAME_MM


def test_a_process_that_stands_still_is_not_pinged_for(
    model: Path, footage: Path, tmp_path: Path, systemd: socket.socket
) -> None:
    with started(written(model, footage, tmp_path)) as line:
        until_up(systemd)
        assert words_of(systemd, 3.5).count("WATCHDOG=1") in (3, 4)
        decision = next(p for p in children(line.pid) if b"decision-decision" in Path(f"/proc/{p}/cmdline").read_bytes())
        os.kill(decision, signal.SIGSTOP)
        words_of(systemd, 1.5)
        assert not words_of(systemd, 3.0)
        os.kill(decision, signal.SIGCONT)
        assert "WATCHDOG=1" in words_of(systemd, 3.0)
        line.send_signal(signal.SIGTERM)
        assert line.wait(10) == 0
