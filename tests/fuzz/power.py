"""`python -m tests.fuzz.power SHIM FOLDER FIRST COUNT`, with SHIM preloaded: recorders that die at one of their writes.

Each is a child of this process. What it had been told is safe must be there afterwards: in its folder as the kill left it, and
in the folder as a power cut at that moment leaves it in the worst case, with nothing but what was waited for.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import sys
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.ledger.dispositions import dispose, read_dispositions
from pipeline.ledger.lost import read_missing
from pipeline.ledger.reading import read_states, read_totals, read_verdicts
from pipeline.ledger.stage import Recorder
from pipeline.ledger.store import Ledger
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.record import Committed
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.telemetry import Refusals
from tests.fakes import totals

MS = 1_000_000
VERDICTS = 60
MOST_CHANGES = 540
"""About as many as one such run makes."""


class Ends:
    """The recorder's inbox, and its way to decision, which here is a pipe to the parent."""

    def __init__(self, parent: int | None) -> None:
        self.refused = Refusals()
        self.queue: deque[tuple[Message, tuple[memoryview, ...]]] = deque()
        self._parent = parent

    def receive(self) -> tuple[Message, tuple[memoryview, ...]] | None:
        return self.queue.popleft() if self.queue else None

    def send(self, message: Message, *payloads: Any) -> bool:
        if self._parent is not None and isinstance(message, Committed):
            os.write(self._parent, f"{message.kind} {message.first} {message.last}\n".encode())
        return True


def made(n: int) -> tuple[Verdict, tuple[memoryview, ...]]:
    """The n-th verdict; each ninth is a defect with its picture."""
    common: dict[str, Any] = {
        "number": n, "generation": 0, "camera": "c", "boot_id": "b", "seq": n, "start_mm": 50.0 * n, "end_mm": 50.0 * n + 50,
        "t_mono_ns": n, "t_utc_ns": n, "score": 0.1,
    }  # fmt: skip
    if n % 9 != 4:
        return Verdict(result=Result.PASS, **common), ()
    region = Region(x0_px=8, y0_px=0, x1_px=16, y1_px=8, score=0.9)
    found = Verdict(
        result=Result.DEFECT, **{**common, "score": 0.9}, regions=(region,), regions_total=1, frame_shape=(64, 96),
        cells_shape=(8, 12),
    )  # fmt: skip
    return found, (memoryview(np.zeros((8, 12), np.float32).tobytes()), memoryview(bytes(64 * 96)))


def play(folder: Path, parent: int | None, rng: random.Random) -> None:
    """A recorder's life in three parts of one run, and what a person says of a defect in each."""
    now_ns, third = 0, VERDICTS // 3
    for part in range(3):
        ends = Ends(parent)
        ledger = Ledger(folder / "ledger.sqlite", run_id="r", max_rows=rng.randrange(2, 9), max_ms=rng.randrange(2, 30))
        recorder = Recorder(ends, ends, ledger, folder, part)
        for n in range(third * part, third * (part + 1)):
            ends.queue.append(made(n))
            if n % 5 == 0:
                ends.queue.append((state(n // 5), ()))
                ends.queue.append((totals(verdicts=n + 1, t_mono_ns=n), ()))
            for _ in range(rng.randrange(4)):
                now_ns += rng.randrange(1, 9) * MS
                recorder.step(now_ns)
        while ends.queue or len(recorder._album):
            now_ns += 5 * MS
            recorder.step(now_ns)
        dispose(folder, "r", (0, 4, 0), "defect", None, "", str(part))
        if parent is not None:
            os.write(parent, f"Word {part} {part}\n".encode())
        if rng.random() < 0.7:
            recorder.close()
        else:
            ledger.let_go()  # as a kill does it: its successor catches up


def state(n: int) -> LineState:
    return LineState(number=n, generation=0, state=State.RUNNING, inspection_ok=True, t_mono_ns=n, t_utc_ns=n)


def check(folder: Path, safe: dict[str, set[int]]) -> None:
    """All that is safe is there and right; what lacks is seen to lack; and a successor goes on."""
    path = folder / "ledger.sqlite"
    if not path.exists():
        assert not any(safe.values()), f"no ledger, and safe were {safe}"
        return
    ledger = Ledger(path, run_id="r")
    assert not ledger.aside, ledger.aside
    rows = {v.number: v for v in read_verdicts(path)}
    assert safe["Verdict"] <= rows.keys(), f"lost: {safe['Verdict'] - rows.keys()}"
    assert safe["LineState"] <= {s.number for s in read_states(path)}
    for n, row in rows.items():
        assert (row.seq, row.result) == (n, made(n)[0].result)
    told = max((t.verdicts for t in read_totals(path)), default=0)
    assert read_missing(path).records.get("verdicts", 0) == max(told, 1 + max(rows, default=-1)) - len(rows)
    assert len(read_dispositions(folder, "r")) >= len(safe["Word"])
    for picture in folder.glob("crops/r/*.png"):
        if not picture.name.startswith("."):
            assert cv2.imread(str(picture)) is not None, f"half a picture, {picture}"
            assert picture.stem.endswith("_map") or picture.with_name(f"{picture.stem}_map.png").exists()
    ends = Ends(None)
    recorder = Recorder(ends, ends, ledger, folder, 1)
    again = (made(n)[0].model_copy(update={"cells_shape": None}) for n in range(VERDICTS) if n not in safe["Verdict"])
    ends.queue.extend((verdict, ()) for verdict in again)  # decision repeats them without pictures
    recorder.close()
    assert [v.number for v in read_verdicts(path)] == list(range(VERDICTS))
    lines = [json.loads(line)["number"] for line in (folder / "verdicts.jsonl").read_bytes().splitlines()]
    assert sorted(lines) == list(range(VERDICTS)), "each verdict has one line"


def after_power_cut(shadow: Path, inode: int, folder: Path) -> None:
    """Lay down a folder with nothing in it but what was waited for."""
    folder.mkdir()
    names = shadow / f"{inode}.names"
    for line in names.read_text().splitlines() if names.exists() else ():
        number, kind, name = line.split(" ", 2)
        if kind == "d":
            after_power_cut(shadow, int(number), folder / name)
        elif (shadow / number).exists():
            shutil.copyfile(shadow / number, folder / name)
        else:
            (folder / name).touch()


def kill(shim: Any, folder: Path, seed: int) -> bool:
    """One recorder; whether it was killed before its end. AssertionError where something is lost."""
    rng = random.Random(seed)
    at = rng.randrange(1, MOST_CHANGES)
    held, shadow = folder / "held", folder / "shadow"
    held.mkdir(parents=True)
    shadow.mkdir()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reading)
            shim.arm(str(held).encode(), str(shadow).encode(), ctypes.c_long(at))
            play(held / "out", writing, rng)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as told:
        lines = told.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert status in (0, 9), f"the recorder ended with {status}"
    safe: dict[str, set[int]] = {"Verdict": set(), "LineState": set(), "Word": set()}
    for kind, first, last in map(str.split, lines):
        safe[kind] |= set(range(int(first), int(last) + 1))
    after_power_cut(shadow, held.stat().st_ino, folder / "cut")
    check(folder / "cut" / "out", safe)
    check(held / "out", safe)
    shutil.rmtree(folder)
    return status == 9


def main() -> None:
    shim, folder = ctypes.CDLL(sys.argv[1]), Path(sys.argv[2])
    first, count = map(int, sys.argv[3:])
    killed = 0
    for seed in range(first, first + count):
        try:
            killed += kill(shim, folder / str(seed), seed)
        except Exception as e:
            sys.exit(f"seed {seed}: {type(e).__name__}: {e}")
    print(killed)


if __name__ == "__main__":
    main()
