"""Clients that stall or flood cost a line nothing: no frame, no heartbeat, no process and no memory that grows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from pipeline.ledger.reading import read_verdicts
from pipeline.messages.states import Result
from tests.line.crowd import Crowd, open_line
from tests.line.test_line import running

WATCHED_S = 4.0
MOST_MIB = 30.0


def test_a_stalled_client_and_a_flood_cost_no_frame_and_no_heartbeat(model: Path, footage: Path, tmp_path: Path) -> None:
    line = open_line(model, footage, tmp_path, speed_mm_s=40.0, decision={"budget_ms": 10_000})
    with running(line) as run, closing(Crowd(line)) as crowd:
        run.until(lambda: run.line.ready and {v.camera for v in run.verdicts()} == {"a", "b"})
        pids, judged = run.line.pids, len(run.verdicts())
        with crowd.hostile():
            seen = crowd.watch(run, WATCHED_S)
        assert run.line.pids == pids
    assert len(seen.verdicts) >= 4
    numbers = [beat.number for beat in seen.beats]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) >= 10
    for name in ("decision", "worker"):
        first, last = seen.rss_mib[name][0][1], seen.rss_mib[name][-1][1]
        assert last - first < MOST_MIB, (name, seen.rss_mib[name])
    recorded = list(read_verdicts(line.ledger.path))
    for camera in "ab":  # exactly one verdict a frame, and the picture's own
        results = {v.seq: v.result for v in recorded if v.camera == camera and v.number >= judged}
        first = min(results)
        assert results == {seq: (Result.DEFECT if seq % 12 == 4 else Result.PASS) for seq in range(first, first + len(results))}
