"""A soak of a line of real processes: every process is looked at, and the record is its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.ledger.reading import read_verdicts
from pipeline.messages.states import Result
from pipeline.supervision.soaking import SAMPLES, soak
from tests.line.test_line import config

pytestmark = pytest.mark.full


def test_every_process_is_looked_at(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path / "own", loop=True)
    found = soak(line, 0.4, tmp_path / "out")
    samples = [json.loads(text) for text in (tmp_path / "out" / SAMPLES).read_text().splitlines()]
    assert len(samples) == found.samples >= 15 and found.frames > 0 and not found.restarts
    for name in ("supervisor", "recorder", "decision", "worker", "a", "b", "motion"):
        for figure in ("rss_mib", "uss_mib", "handles", "threads", "sockets"):
            assert found.trends[f"{name} {figure}"].level > 0
    assert found.trends["worker rss_mib"].level > found.trends["motion rss_mib"].level
    judged = [v for v in read_verdicts(tmp_path / "out/record/ledger.sqlite") if v.result is not Result.NOT_INSPECTED]
    assert judged and not (tmp_path / "own").exists()


def test_a_soak_that_ends_at_once_tells_nothing(model: Path, footage: Path, tmp_path: Path) -> None:
    line = config(model, footage, tmp_path / "own", speed_mm_s=300.0)
    with pytest.raises(InputError, match="loop: true"):
        soak(line, 5, tmp_path / "out")
