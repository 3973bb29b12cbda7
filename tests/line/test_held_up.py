"""A decision that is held up or killed: no late PASS, and no time without a word where lengths are not known."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_verdicts
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from tests.line.test_line import config, running

BUDGET_MS = 500.0
SETTLE_S = 3.0
INTERVAL_MS = 250.0
LATE_MS = 250.0 + INTERVAL_MS / 4
"""A quarter of an interval and 250 ms: a frame may be announced so late, and on a busy machine it is."""


def bare(model: Path, footage: Path, out: Path) -> LineConfig:
    """Two cameras of four pictures a second, without motion and without a scale."""
    cameras = [{"name": n, "source": "replay", "path": footage, "loop": True, "rate": 4.0} for n in ("a", "b")]
    return config(model, footage, out, motion=None, cameras=cameras, decision={"budget_ms": BUDGET_MS})


def passed(verdicts: list[Verdict]) -> list[Verdict]:
    return [v for v in verdicts if v.result is Result.PASS]


def test_a_decision_that_was_stopped_passes_nothing_late(model: Path, footage: Path, tmp_path: Path) -> None:
    with running(bare(model, footage, tmp_path)) as run:
        run.until(lambda: len(passed(run.verdicts())) >= 8)
        os.kill(run.pid("decision"), signal.SIGSTOP)
        time.sleep(4)
        awake_ns = time.monotonic_ns()
        os.kill(run.pid("decision"), signal.SIGCONT)
        run.until(lambda: len([v for v in passed(run.verdicts()) if v.t_mono_ns > awake_ns + SETTLE_S * 1e9]) >= 4)
    found = list(read_verdicts(tmp_path / "ledger.sqlite"))
    assert max(v.latency_ms or 0.0 for v in passed(found)) <= BUDGET_MS
    assert max(v.latency_ms or 0.0 for v in found) > 2000  # frames of the time for which it was stopped have their verdicts
    for camera in ("a", "b"):
        assert spoken(found, camera) == []


def test_a_killed_decision_leaves_no_time_untold(model: Path, footage: Path, tmp_path: Path) -> None:
    with running(bare(model, footage, tmp_path)) as run:
        run.until(lambda: len(passed(run.verdicts())) >= 8)
        os.kill(run.pid("decision"), signal.SIGKILL)
        run.until(lambda: len([v for v in passed(run.verdicts()) if v.generation == 1]) >= 8)
    found = list(read_verdicts(tmp_path / "ledger.sqlite"))
    assert {v.generation for v in found} == {0, 1}
    for camera in ("a", "b"):
        assert spoken(found, camera) == []
        assert [v for v in found if v.camera == camera and v.generation == 1 and v.from_ns is not None]


def spoken(verdicts: list[Verdict], camera: str) -> list[float]:
    """The gaps, in ms, in what a camera's verdicts tell of from its first frame to its last; a frame may be late."""
    spans = []
    for v in verdicts:
        if v.camera == camera and v.seq is not None and v.latency_ms is not None:
            taken_ms = v.t_mono_ns / 1e6 - v.latency_ms
            spans.append((taken_ms - INTERVAL_MS, taken_ms))
        elif v.camera == camera and v.from_ns is not None and v.to_ns is not None:
            spans.append((v.from_ns / 1e6, v.to_ns / 1e6))
    gaps, told_ms = [], min(spans)[0]
    for from_ms, to_ms in sorted(spans):
        if from_ms - told_ms > LATE_MS:
            gaps.append(from_ms - told_ms)
        told_ms = max(told_ms, to_ms)
    return gaps
