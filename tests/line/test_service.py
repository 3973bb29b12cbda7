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

from pipeline.ledger.lost import Missing, read_missing
from pipeline.ledger.reading import read_runs, read_states, read_verdicts
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.supervision.runtime_folder import is_running

LIMIT_S = 90.0


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
        time.sleep(0.02 if limit_s < 2 else 0.5)
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


def verdicts(config: Path) -> list[Verdict]:
    ledger = config.with_name("ledger.sqlite")
    return list(read_verdicts(ledger)) if ledger.exists() and read_runs(ledger) else []


def scored(config: Path, generation: int) -> set[str]:
    return {v.camera for v in verdicts(config) if v.generation == generation and v.result is not Result.NOT_INSPECTED}


def test_a_supervisor_that_is_killed_leaves_nobody_and_its_run_goes_on(
    model: Path, footage: Path, tmp_path: Path, systemd: socket.socket
) -> None:
    config, ledger = written(model, footage, tmp_path), tmp_path / "ledger.sqlite"
    with started(config) as first:
        until_up(systemd)
        until(lambda: scored(config, 0) == {"a", "b"})
        held = children(first.pid)
        assert len(held) == 6 and is_running("served")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        until(lambda: not any(map(is_there, held)), 1.0)
    assert not is_running("served")
    with started(config) as second:
        until_up(systemd)
        until(lambda: scored(config, 1) == {"a", "b"})
        until(lambda: any(s.state is State.RUNNING and s.generation == 1 for s in read_states(ledger)))
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
    assert words_of(systemd, 0.5)[-1] == "STOPPING=1"
    assert len(read_runs(ledger)) == 1 and read_missing(ledger) == Missing()
    for camera in "ab":  # no cloth and no time between both is without its word
        got = [v for v in verdicts(config) if v.camera == camera]
        spans = sorted((v.start_mm, v.end_mm) for v in got if v.start_mm is not None and v.end_mm is not None)
        reached_mm = 0.0
        for start_mm, end_mm in spans:
            assert start_mm <= reached_mm + 1e-3, (camera, start_mm, reached_mm)
            reached_mm = max(reached_mm, end_mm)
        last_mm = max(v.end_mm for v in got if v.generation == 0 and v.end_mm is not None)
        assert reached_mm > last_mm
    with started(config) as third:  # one that was stopped in order is over
        until(lambda: len(read_runs(ledger)) == 2)
        third.send_signal(signal.SIGTERM)
        third.wait(30)


@pytest.mark.full
def test_a_process_that_stands_still_is_not_pinged_for(
    model: Path, footage: Path, tmp_path: Path, systemd: socket.socket
) -> None:
    with started(written(model, footage, tmp_path)) as line:
        until_up(systemd)
        assert words_of(systemd, 3.5).count("WATCHDOG=1") in (3, 4)
        recorder = next(p for p in children(line.pid) if b"recorder-recorder" in Path(f"/proc/{p}/cmdline").read_bytes())
        os.kill(recorder, signal.SIGSTOP)
        words_of(systemd, 1.5)
        assert not words_of(systemd, 3.0)
        os.kill(recorder, signal.SIGCONT)
        assert "WATCHDOG=1" in words_of(systemd, 3.0)
        line.send_signal(signal.SIGTERM)
        assert line.wait(10) == 0
