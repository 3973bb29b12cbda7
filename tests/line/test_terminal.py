"""A terminal shows why a line does not start, and a stderr that nobody reads holds up no line."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from glass_core.errors import InputError
from pipeline.ledger.reading import read_verdicts
from pipeline.messages.states import Result

LIMIT_S = 120.0
ROWS, COLUMNS = 40, 100


def written(model: Path, footage: Path, folder: Path, **change: Any) -> Path:
    body = {
        "line": {"name": "terminal"}, "model": str(model), "worker": {"backend": "torch"}, "decision": {"budget_ms": 5000},
        "motion": {"source": "simulated", "speed_mm_s": 60},
        "cameras": [
            {"name": "a", "source": "replay", "path": str(footage), "loop": True, "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}
        ],
        "ledger": {"path": str(folder / "ledger.sqlite")}, **change,
    }  # fmt: skip
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def begun(path: Path, stderr: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tools", "run", str(path), "--slow-ok", "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, "TERM": "xterm"})


def screen(written: str) -> list[str]:
    """What a terminal shows in the end of what was written to it: the movements that rich makes, and lines that wrap."""
    rows, row, column = [""], 0, 0
    for control, amount, what, plain in re.findall(r"(\x1b\[([0-9;?]*)([A-Za-z]))|([^\x1b])", written):
        if control and what == "A":
            row -= int(amount)
        elif control and what == "K":
            rows[row] = ""
        elif plain == "\r":
            column = 0
        elif plain == "\n" or (plain and column == COLUMNS):
            row, column = row + 1, 0 if plain != "\n" else column
        if row == len(rows):
            rows.append("")
        if plain and plain not in "\r\n":
            rows[row] = rows[row].ljust(column)[:column] + plain + rows[row][column + 1 :]
            column += 1
    return [text.rstrip() for text in rows]


def test_why_a_line_does_not_start_stays_on_the_terminal(model: Path, footage: Path, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("no ledger at all, and it is longer than a header" * 9)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = begun(written(model, footage, tmp_path), theirs)
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 65536):
            told += part
    except OSError:  # how a terminal says that its other side is gone
        pass
    os.close(ours)
    assert process.wait(LIMIT_S) == 2 and process.stdout is not None
    process.stdout.close()
    assert "STARTING" in told.decode()  # the screen was there
    shown = "".join(screen(told.decode()))
    assert "glassline: " in shown and "ledger.sqlite" in shown
    assert "╭" not in shown and "STARTING" not in shown  # and it is gone


@pytest.fixture(params=["pipe", "terminal"])
def full(request: pytest.FixtureRequest) -> Iterator[int]:
    """A stderr that nobody reads: a pipe in which there is no room, or a terminal that takes some."""
    ours, theirs = os.pipe() if request.param == "pipe" else pty.openpty()
    if request.param == "pipe":
        os.set_blocking(theirs, False)
        try:
            while True:
                os.write(theirs, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(theirs, True)
    yield theirs
    os.close(theirs)
    os.close(ours)


@pytest.mark.full
def test_a_stderr_that_nobody_reads_holds_up_neither_restarts_nor_the_end(
    full: int, model: Path, footage: Path, tmp_path: Path
) -> None:
    process = begun(written(model, footage, tmp_path), full)
    ledger = tmp_path / "ledger.sqlite"

    def until(done: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not done():
            assert time.monotonic() < end_s and process.poll() is None
            time.sleep(0.1)

    def given(result: Result) -> int:
        try:
            return sum(v.result is result for v in read_verdicts(ledger))
        except InputError:  # it is just being made
            return 0

    try:
        until(lambda: given(Result.PASS) > 2)
        os.kill(_child(process.pid, "worker-worker"), signal.SIGKILL)
        until(lambda: given(Result.NOT_INSPECTED) > 0)
        before = given(Result.PASS)
        until(lambda: given(Result.PASS) > before + 1)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=20)[0]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0 and json.loads(told)["frames"] > before


def _child(parent: int, name: str) -> int:
    """The process of a line whose command names it."""
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (found,) = [int(pid) for pid in listed if name in Path(f"/proc/{pid}/cmdline").read_text()]
    return found
