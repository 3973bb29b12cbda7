"""What is made of a soak's samples: a leak among many figures, a full disk to come, and a process that did not live."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.supervision import soaking
from pipeline.supervision.soaking import LIMITS, RECORD, SAMPLES, Soaked, _Samples, soak, trends

HOURS = 48


def written(out: Path, **per_day: float) -> Path:
    """Half an hour apart; each figure begins at 100."""
    lines = []
    for sample in range(2 * HOURS):
        figures = {name.replace("_of_", " "): 100 + slope * sample / 48 for name, slope in per_day.items()}
        lines.append(json.dumps({"s": 1800.0 * sample, "figures": figures}))
    out.mkdir(exist_ok=True)
    (out / SAMPLES).write_text("\n".join(lines) + "\n")
    return out


def soaked(out: Path, room_mib: float = 1e6, **more: Any) -> Soaked:
    figures = {"minutes": 1, "samples": 1, "frames": 1, "not_inspected": 0, "restarts": {}, "trends": trends(out, room_mib)}
    return Soaked(out=str(out), **{**figures, **more})


@pytest.mark.parametrize("figure", [*LIMITS])
def test_each_figure_may_grow_by_so_much_and_no_more(tmp_path: Path, figure: str) -> None:
    allowed, _ = LIMITS[figure]
    more = {f"decision_of_{figure}": 1.2 * allowed, f"worker_of_{figure}": 0.9 * allowed, f"a_of_{figure}": -9 * allowed}
    found = soaked(written(tmp_path, **more))
    assert found.growing == [f"decision {figure}"] and not found.steady
    assert found.trends[f"decision {figure}"].in_30_days == pytest.approx(100 + 1.2 * allowed * 31.5, rel=0.01)


def test_the_record_may_fill_the_disk_in_30_days_and_not_sooner(tmp_path: Path) -> None:
    out = written(tmp_path, **{RECORD.replace(" ", "_of_"): 50.0})
    assert soaked(out, room_mib=1600).steady and soaked(out, room_mib=1400).growing == [RECORD]


def test_a_process_that_did_not_live_through_it_is_no_steady_line(tmp_path: Path) -> None:
    out = written(tmp_path, worker_of_handles=0.0)
    assert soaked(out).steady and not soaked(out, restarts={"worker": 1}).steady


def test_samples_are_of_every_process_and_of_the_frames_since_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaking, "footprint", lambda pid: {"handles": float(pid)} if pid != 77 else {})
    line = SimpleNamespace(pids={"worker": 5, "a": 77}, progress={"worker": SimpleNamespace(waiting=3)})
    taken = _Samples(line, tmp_path)  # type: ignore[arg-type]

    def verdict(result: Result, latency_ms: float | None, seq: int | None = 0) -> Verdict:
        facts = {"number": 0, "generation": 0, "camera": "a", "boot_id": "b", "t_mono_ns": 0, "t_utc_ns": 0}
        why = {"reason": "NO_SCORE"} if result is Result.NOT_INSPECTED else {"score": 0.1, "lanes": (0.1,)}
        return Verdict.model_validate({**facts, **why, "result": result, "seq": seq, "latency_ms": latency_ms})

    for latency_ms in (10.0, 20.0, 90.0):
        taken.hear(verdict(Result.PASS, latency_ms))
    taken.hear(verdict(Result.NOT_INSPECTED, 999.0))
    figures = taken.take(1.5)["figures"]
    assert figures["worker handles"] == 5 and figures["worker waiting"] == 3 and "a handles" not in figures
    assert figures["line p50_ms"] == 20 and 20 < figures["line p99_ms"] <= 90 and "supervisor handles" in figures
    assert (taken.frames, taken.not_inspected, taken.seconds) == (4, 1, 1.5)
    line.pids = {"worker": 6, "a": 77}
    figures = taken.take(2.5)["figures"]
    assert dict(taken.restarts) == {"worker": 1} and "line p50_ms" not in figures


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(InputError, match="--minutes"):
        soak(LineConfig(), minutes, tmp_path / "out")
    assert not (tmp_path / "out").exists()
