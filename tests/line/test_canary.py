"""An engine that goes wrong while the line runs: it ends with its worker, and nothing passes until the next one is proven."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.ledger.reading import read_states
from pipeline.messages.states import Result, State
from tests.line.conftest import make_bundle
from tests.line.test_line import config, running

BREAKER = """
from pathlib import Path
from glass_core.engines.bundle import Bundle
sound = Bundle.score
def score(self, tiles):
    cells = sound(self, tiles)
    return {wrong} if Path({flag!r}).exists() else cells
Bundle.score = score
"""
"""Python runs it at the start of each process of the line."""
HELD_S = 1.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine with golden tiles."""
    return make_bundle(tmp_path_factory.mktemp("canary"), "torch")


@pytest.mark.parametrize(
    "wrong", ["cells * float('nan')", "cells * 0 + 0.5", "cells * 0.98"], ids=["NaN", "constant", "drifted"]
)
def test_a_broken_engine_passes_nothing_until_it_is_proven_again(
    bundle: Path, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """The last kind looks sound: only the golden tile, scored every ten seconds, shows it."""
    flag = tmp_path / "broken"
    (tmp_path / "sitecustomize.py").write_text(BREAKER.format(wrong=wrong, flag=str(flag)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    line = config(bundle, footage, tmp_path / "out", loop=True, decision={"budget_ms": 500})
    with running(line) as run:
        run.until(lambda: any(v.result is Result.PASS for v in run.verdicts()))
        first = run.pid("worker")
        flag.touch()
        run.until(lambda: run.verdicts()[-1].result is Result.NOT_INSPECTED)
        before = len(run.verdicts())
        end_s = time.monotonic() + HELD_S
        run.until(lambda: time.monotonic() > end_s)
        held = run.verdicts()[before:]
        assert held and all(v.result is Result.NOT_INSPECTED for v in held)
        flag.unlink()
        run.until(lambda: run.verdicts()[-1].result is Result.PASS)
        assert run.pid("worker") != first
    assert State.DEGRADED in [s.state for s in read_states(line.ledger.path)]
