"""Decision and recorder with a disk that fills up and recorders that are killed, at random: nothing is lost in silence."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from unittest.mock import patch

from pipeline.ledger.lost import read_missing, read_spans
from pipeline.ledger.reading import read_rejects, read_states, read_verdicts
from pipeline.ledger.stage import Recorder
from pipeline.ledger.store import Ledger, LedgerFull
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, StageState
from pipeline.messages.verdicts import Verdict
from tests.decision_bench import MS, Bench

BOUND, MOST = "pipeline.decision.backlog.MAX_UNCOMMITTED", 60


class Desk:
    """A recorder that may be killed, and a disk that may be full."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench, self._folder = bench, folder
        self._generation = -1
        self.full = False
        self.start()

    def start(self) -> None:
        """The next recorder goes on with the run."""
        self._generation += 1
        self._ledger = Ledger(self._folder / "ledger.sqlite", run_id="r", max_rows=5, max_ms=3)
        self.recorder = Recorder(self._bench.recorder, self._bench.inbox, self._ledger, self._folder, self._generation)
        commit = self._ledger.commit

        def try_commit() -> list[Message]:
            if self.full:
                raise LedgerFull("ledger not writable (full), make room on the disk")
            return commit()

        self._ledger.commit = try_commit  # type: ignore[method-assign]

    def kill(self, told: bool) -> None:
        """It is gone with all that it had taken; `told`: the supervisor has said so."""
        self.recorder._lines.close()
        self._ledger.let_go()
        self._bench.recorder.queue.clear()
        if told:
            self._bench.status("recorder", "recorder", StageState.DOWN, self._generation)


def run(rng: random.Random, folder: Path) -> tuple[int, int]:
    """How many verdicts were published, and how many of them lack in the record."""
    bench = Bench(generation=0)
    bench.recorder.room = rng.choice((3, 8, 64))
    desk, now_ns, alive, told = Desk(bench, folder), 0, True, list[Verdict]()
    for seq in range(rng.randrange(20, 250)):
        if rng.random() < 0.02:
            desk.full = not desk.full
        if rng.random() < 0.02 and alive:
            desk.kill(told=rng.random() < 0.8)
            bench.recorder.room, alive = 0, False
        elif rng.random() < 0.1 and not alive:
            bench.recorder.room, alive = 64, True
            desk.start()
        bench.announce(seq)
        bench.score(seq, rng.choice((0.1, 0.1, 0.9)))
        now_ns += MS * rng.randrange(1, 30)
        bench.decision.step(now_ns)
        told += bench.air.take(Verdict)
        for _ in range(rng.randrange(6) if alive else 0):
            desk.recorder.step(now_ns)
    desk.full, bench.recorder.room = False, 10_000
    if not alive:
        desk.start()
    for _ in range(400):
        now_ns += 300 * MS
        bench.decision.step(now_ns)
        while desk.recorder.step(now_ns):
            pass
    told += bench.air.take(Verdict)
    bench.decision.close()
    desk.recorder.close()
    return compare(folder / "ledger.sqlite", told, list(bench.air.take(LineState)))


def compare(path: Path, told: list[Verdict], states: list[LineState]) -> tuple[int, int]:
    """Each verdict that was published is on record, or lies in a span that is told as lost."""
    recorded = {v.number: v for v in read_verdicts(path)}
    lost = [v for v in told if v.number not in recorded]
    missing = read_missing(path).records
    assert missing.get("verdicts", 0) == len(lost)
    spans = [row for row in read_spans(path) if row[5] == Reason.RECORD_LOST]
    for v in lost:
        assert v.result is not Result.PASS  # the line was in FAULT before the first record fell out
        assert any(a <= v.start_mm <= v.end_mm <= b for _, _, a, b, *_ in spans), v
    for v in told:
        if v.number in recorded:
            assert (recorded[v.number].result, recorded[v.number].reason) == (v.result, v.reason)
    judged_mm = sum(v.end_mm - v.start_mm for v in recorded.values() if v.result is not Result.NOT_INSPECTED)
    seen_mm = sum(b - a for _, _, a, b, result, _ in read_spans(path) if result != Result.NOT_INSPECTED)
    assert judged_mm == seen_mm
    if not missing:
        assert [s.number for s in read_states(path)] == [s.number for s in states]
        assert [r.number for r in read_rejects(path)] == list(range(len(list(read_rejects(path)))))
    return len(told), len(lost)


def fuzz(seed: int, count: int) -> tuple[int, int]:
    """All verdicts of so many lines, and those that lack; AssertionError names the seed of the first that went wrong."""
    verdicts = lacking = 0
    for n in range(seed, seed + count):
        with tempfile.TemporaryDirectory(prefix="glassline-fuzz-") as name, patch(BOUND, MOST):
            try:
                found = run(random.Random(n), Path(name))
            except Exception as e:
                raise AssertionError(f"seed {n}: {type(e).__name__}: {e}") from e
        verdicts, lacking = verdicts + found[0], lacking + found[1]
    return verdicts, lacking


def test_nothing_is_lost_in_silence() -> None:
    verdicts, lacking = fuzz(seed=1, count=12)
    assert verdicts > lacking > 0
