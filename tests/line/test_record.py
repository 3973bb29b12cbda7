"""A line whose disk is full and whose recorder or decision is killed: every verdict is on record, or counted as lost."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from pipeline.config.line import LineConfig
from pipeline.ledger.lost import Missing, read_missing
from pipeline.ledger.reading import read_rejects, read_states, read_verdicts
from pipeline.messages.actions import Reject
from pipeline.messages.commands import Reset
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.report.roll import read_covered, summarise
from tests.line.test_line import Run, config, running


def fill_disk(run: Run, line: LineConfig) -> None:
    """No file of the recorder grows any more; until the line says so, and some more cloth has passed."""
    longest = max(p.stat().st_size for p in line.ledger.path.parent.iterdir())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(run.pid("recorder"), resource.RLIMIT_FSIZE, (longest, hard))
    run.until(lambda: (s := run.state()) is not None and s.state is State.FAULT and "make room" in s.detail)
    count = len(run.verdicts())
    run.until(lambda: len(run.verdicts()) >= count + 30)


def go_on(run: Run) -> None:
    """Reset the fault as soon as it is gone, and let cloth be judged again."""
    run.until(lambda: (s := run.state()) is not None and s.state is State.FAULT and "gone" in s.detail)
    run.line._untold.append(Reset())
    run.until(lambda: (s := run.state()) is not None and s.state is State.RUNNING and s.inspection_ok)
    count = len(run.verdicts())
    run.until(lambda: len(run.verdicts()) >= count + 6)


def ran_mm(line: LineConfig) -> float:
    """How much cloth passed both cameras together: from the line's 0 to where one of them was last."""
    return max(v.end_mm or 0.0 for v in read_verdicts(line.ledger.path))


def test_a_recorder_killed_on_a_full_disk_loses_nothing(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path / "out", speed_mm_s=60.0, loop=True)
    with running(line) as run:
        run.until(lambda: sum(v.result is Result.PASS for v in run.verdicts()) >= 6)
        fill_disk(run, line)
        os.kill(run.pid("recorder"), signal.SIGKILL)
        go_on(run)
    got = {(v.generation, v.number): v for v in read_verdicts(line.ledger.path)}
    assert [n for _, n in got] == list(range(len(got)))
    assert all(got[v.generation, v.number].result is v.result for v in run.verdicts())
    rejects = [r for r in run.heard if isinstance(r, Reject)]
    recorded = list(read_rejects(line.ledger.path))
    assert rejects and recorded[: len(rejects)] == rejects
    assert State.FAULT in [s.state for s in read_states(line.ledger.path)]
    assert read_missing(line.ledger.path) == Missing()
    lines = (tmp_path / "out" / "verdicts.jsonl").read_text().splitlines()
    assert len(lines) == len(got)
    metres = read_covered(line.ledger.path).metres
    assert metres is not None and Reason.RECORD_LOST not in metres.reasons_mm
    assert metres.inspected_mm + metres.not_inspected_mm == pytest.approx(ran_mm(line), abs=0.01)


def test_what_dies_with_decision_on_a_full_disk_counts_as_lost(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path / "out", speed_mm_s=60.0, loop=True)
    with running(line) as run:
        run.until(lambda: sum(v.result is Result.PASS for v in run.verdicts()) >= 6)
        fill_disk(run, line)
        for name in ("recorder", "decision"):
            os.kill(run.pid(name), signal.SIGKILL)
        go_on(run)
    got = {(v.generation, v.number) for v in read_verdicts(line.ledger.path)}
    lost = [v for v in run.verdicts() if (v.generation, v.number) not in got]
    assert len(lost) >= 30
    covered = read_covered(line.ledger.path)
    metres, rolls = covered.metres, covered.rolls
    assert metres is not None and rolls is not None
    assert metres.reasons_mm[Reason.RECORD_LOST] > 100
    unseen = [span for cover in rolls.values() for span in cover.coverage.not_inspected()]
    for v in lost:  # the next decision may have told of some of this cloth again
        assert v.start_mm is not None and v.end_mm is not None
        length_mm = sum(max(0.0, min(b, v.end_mm) - max(a, v.start_mm)) for a, b, _ in unseen)
        assert length_mm == pytest.approx(v.end_mm - v.start_mm, abs=0.01), v
    assert metres.inspected_mm + metres.not_inspected_mm == pytest.approx(ran_mm(line), abs=0.01)
    summary = summarise(line.ledger.path)
    assert summary.verdicts == summary.passed + summary.defect + summary.not_inspected
