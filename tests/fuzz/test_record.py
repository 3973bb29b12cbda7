"""Records that were killed, cut and changed at random: a reader reads them, or says in one line what is wrong."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from glass_core.errors import InputError
from pipeline.cloth.coverage import Intervals
from pipeline.ledger.lost import read_missing, read_spans
from pipeline.ledger.reading import read_states
from pipeline.ledger.store import Ledger
from pipeline.ledger.verdict_lines import VerdictLines
from pipeline.messages.line import LineState
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Verdict
from pipeline.report.roll import summarise
from pipeline.report.sheet import read_sheet
from tests.fakes import totals

OFFSET_MM = {"a": 0.0, "b": 7.5}
CONFIG = {"cameras": [{"name": name, "y_offset_mm": mm} for name, mm in OFFSET_MM.items()]}
FRAME_MM = 25.6
Damage = Callable[[random.Random, Path], None]


def verdict(number: int) -> Verdict:
    """What was decided: both cameras in turn, every fifth frame not inspected, a new generation every 40 numbers."""
    frame, camera = number // 2, "ab"[number % 2]
    start_mm = frame * FRAME_MM + OFFSET_MM[camera]
    judged = frame % 5 != 3
    return Verdict(
        number=number % 40, generation=number // 40, camera=camera, boot_id="b", seq=frame, roll_id="R1",
        result=Result.PASS if judged else Result.NOT_INSPECTED, reason=None if judged else Reason.NO_SCORE,
        score=0.25 if judged else None, lanes=(0.25, 0.125) if judged else (), start_mm=start_mm,
        end_mm=start_mm + FRAME_MM, t_mono_ns=number, t_utc_ns=number,
    )  # fmt: skip


def write(folder: Path, said: int, seed: int) -> None:
    """Record until the end, or until somebody kills this process; every number that is safe is said."""
    rng = random.Random(seed)
    held, lines = Ledger(folder / "ledger.sqlite", {"config": CONFIG}, run_id="r"), VerdictLines(folder, "r")
    for number in range(200):
        each = verdict(number)
        held.add(each)
        lines.add(each)
        if number % 8 == 0:
            state = LineState(
                number=each.number // 8, generation=each.generation, state=State.RUNNING, inspection_ok=True,
                t_mono_ns=0, t_utc_ns=0,
            )  # fmt: skip
            held.add(state)
            come_mm = number // 2 * FRAME_MM
            held.add(totals(generation=each.generation, verdicts=each.number + 1, position_mm=come_mm))
        if rng.random() < 0.3:
            held.commit()
            lines.flush()
            os.write(said, number.to_bytes(2, "big"))
    held.close()
    lines.close()


def killed(folder: Path, rng: random.Random) -> int:
    """A writer that is killed at some time, or ends; the last number that it said was safe, or -1."""
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            write(folder, say, rng.randrange(1 << 30))
        finally:
            os._exit(0)
    os.close(say)
    with os.fdopen(hear, "rb", buffering=0) as file:
        told = b"".join(file.read(2) for _ in range(rng.randrange(70)))
        time.sleep(rng.random() * 0.01)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        told += file.read()
    return int.from_bytes(told[-2:], "big") if told else -1


def cut(rng: random.Random, path: Path) -> None:
    os.truncate(path, rng.randrange(path.stat().st_size + 1))


def change(rng: random.Random, path: Path) -> None:
    """Some bits of it, from one to a hundred."""
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 3, 100))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def remove(rng: random.Random, path: Path) -> None:
    path.unlink()


def damage(folder: Path, rng: random.Random) -> str:
    """Hurt one of the files, or none; what was done."""
    files = sorted(p for p in folder.iterdir() if p.stat().st_size and not p.name.endswith((".lock", "-shm")))
    if not files or rng.random() < 0.25:
        return ""
    path, harm = rng.choice(files), rng.choice([cut, change, remove])
    harm(rng, path)
    for shm in folder.glob("*-shm") if rng.random() < 0.5 else ():
        shm.unlink()
    return f"{harm.__name__} {path.name}"


def check(folder: Path, safe: int, harm: str) -> str:
    """Read the record, and compare it with what was decided; how the reader took it."""
    path = folder / "ledger.sqlite"
    try:
        rows = list(read_spans(path, "r"))
        missing, summary = read_missing(path, "r"), summarise(path, "r")
        list(read_states(path, "r"))
        read_sheet(path, "r")
    except InputError as e:
        assert "\n" not in str(e) and str(e).count(", ") >= 2, e
        assert harm or safe < 0, e  # what was only killed is always read
        return "told"
    decided = {(v.camera, v.start_mm, v.end_mm): v for v in map(verdict, range(200))}
    spoken = {camera: Intervals() for camera in OFFSET_MM}
    for camera, _, start_mm, end_mm, result, reason in rows:
        if reason != Reason.RECORD_LOST:
            was = decided[camera, start_mm, end_mm]
            assert (was.result, was.reason) == (result, reason), (camera, start_mm)
        spoken[camera].add(round(start_mm * 1000), round(end_mm * 1000))
    for camera, places in spoken.items():
        spans = list(places)
        assert len(spans) <= 1, "cloth between two places that nothing speaks of"
        assert not spans or spans[0][0] == OFFSET_MM[camera] * 1000
    judged = sum(result != Result.NOT_INSPECTED for *_, result, _ in rows)
    assert summary.passed == judged
    known = summary.verdicts - missing.records.get("verdicts", 0)
    assert known + missing.records.get("verdicts", 0) == summary.passed + summary.not_inspected
    if not harm:
        assert len({row[:4] for row in rows if row[5] != Reason.RECORD_LOST}) > safe
        assert not missing.records
    return "read"


def go_on(folder: Path) -> None:
    """A recorder that is started again goes on, or says why not."""
    try:
        held = Ledger(folder / "ledger.sqlite", run_id="r")
    except InputError as e:
        assert "\n" not in str(e)
        return
    lines = VerdictLines(folder, "r")
    held.add(verdict(199))
    lines.add(verdict(199))
    held.close()
    lines.flush()
    lines.close()


def fuzz(seed: int, count: int) -> dict[str, int]:
    """How often the reader read, and how often it told; AssertionError names the seed of the first that went wrong."""
    outcomes = {"read": 0, "told": 0}
    for n in range(seed, seed + count):
        rng = random.Random(n)
        with tempfile.TemporaryDirectory(prefix="glassline-fuzz-") as name:
            folder = Path(name)
            safe = killed(folder, rng)
            harm = damage(folder, rng)
            try:
                outcomes[check(folder, safe, harm)] += 1
                go_on(folder)
            except Exception as e:
                raise AssertionError(f"seed {n}, safe to {safe}, {harm or 'killed'}: {type(e).__name__}: {e}") from e
    return outcomes


def test_a_reader_reads_or_says_what_is_wrong() -> None:
    outcomes = fuzz(seed=1, count=40)
    assert min(outcomes.values()) > 0
