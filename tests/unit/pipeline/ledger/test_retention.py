"""Finished runs are put away whole and removed whole, the oldest first; the run that is written stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.line import LineConfig
from pipeline.ledger.opening import opened
from pipeline.ledger.reading import read_runs, read_verdicts
from pipeline.ledger.retention import DAY_NS, LOOK_NS, Retention
from pipeline.ledger.stage import Recorder, make_recorder
from pipeline.ledger.store import Ledger
from tests.unit.pipeline.ledger.test_stage import Queue, defect, verdict


def config(folder: Path, **changes: Any) -> LineConfig:
    return LineConfig.model_validate({"ledger": {"path": folder / "ledger.sqlite", **changes}})


def shift(folder: Path, first: int, **changes: Any) -> None:
    """A run with a picture and a word about it."""
    recorder = begin(folder, queue := Queue(), **changes)
    queue.put(*defect(first))
    queue.put(verdict(first + 1))
    recorder.close()
    (folder / "dispositions.jsonl").touch()


def begin(folder: Path, queue: Queue, generation: int = 0, **changes: Any) -> Recorder:
    return make_recorder(queue, queue, config(folder, **changes), folder / "model", generation, begun_by=1)


def away(folder: Path) -> list[Path]:
    return sorted(folder.glob("until-*"))


def numbers(folder: Path) -> list[int]:
    return [v.number for v in read_verdicts(folder / "ledger.sqlite")]


def test_by_default_all_runs_stay_in_one_ledger(tmp_path: Path) -> None:
    for first in (0, 10):
        shift(tmp_path, first)
    assert len(read_runs(tmp_path / "ledger.sqlite")) == 2 and not away(tmp_path)


def test_each_start_puts_the_runs_before_away_and_they_read_like_any_record(tmp_path: Path) -> None:
    for first in (0, 10, 20):
        shift(tmp_path, first, keep_days=30)
    assert [numbers(folder) for folder in (*away(tmp_path), tmp_path)] == [[0, 1], [10, 11], [20, 21]]
    for folder in away(tmp_path):
        assert len(list(folder.glob("crops/*/*.png"))) == 2
        assert len((folder / "verdicts.jsonl").read_bytes().splitlines()) == 2 and (folder / "dispositions.jsonl").exists()


def test_a_recorder_that_is_started_again_within_a_run_puts_nothing_away(tmp_path: Path) -> None:
    shift(tmp_path, 0, keep_days=30)
    begin(tmp_path, Queue(), 1, keep_days=30).close()
    assert not away(tmp_path) and len(read_runs(tmp_path / "ledger.sqlite")) == 1


def test_a_record_that_somebody_reads_stays_until_the_next_start(tmp_path: Path) -> None:
    shift(tmp_path, 0, keep_gb=9)
    with opened(tmp_path / "ledger.sqlite"):
        shift(tmp_path, 10, keep_gb=9)
    assert not away(tmp_path)
    shift(tmp_path, 20, keep_gb=9)
    assert [numbers(folder) for folder in (*away(tmp_path), tmp_path)] == [[10, 11], [20, 21]]


@pytest.mark.parametrize("moves", range(5))
def test_a_kill_while_it_is_put_away_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    shift(tmp_path, 0, keep_days=30)
    rename, left = Path.rename, moves

    class Killed(BaseException):
        pass

    def until_killed(path: Path, to: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", until_killed)
        with pytest.raises(Killed):
            begin(tmp_path, Queue(), keep_days=30)
    shift(tmp_path, 10, keep_days=30)
    (kept,) = away(tmp_path)
    assert (numbers(kept), numbers(tmp_path)) == ([0, 1], [10, 11])
    assert len(list(kept.glob("crops/*/*.png"))) == 2 and (kept / "verdicts.jsonl").exists()


def test_the_oldest_go_by_age_one_file_a_step_and_the_record_says_so_first(tmp_path: Path) -> None:
    for first in (0, 10, 20):
        shift(tmp_path, first, keep_days=30)
    old, newer = away(tmp_path)
    held = Ledger(tmp_path / "ledger.sqlite", run_id="r")
    made_ns = (old / "ledger.sqlite").stat().st_mtime_ns
    now = {"utc_ns": made_ns + 29 * DAY_NS}
    retention = Retention(held, config(tmp_path, keep_days=30).ledger, lambda: now["utc_ns"])
    assert retention.step(0) and retention.step(0) and not retention.step(0), "each is measured once"
    now["utc_ns"] = made_ns + 31 * DAY_NS
    newer = newer.rename(tmp_path / "until-99990101T000000.000000Z")
    assert not retention.step(LOOK_NS - 1)
    assert retention.step(LOOK_NS), "measured again under its new name"
    assert retention.step(LOOK_NS)
    for _ in range(5):
        assert not retention.step(LOOK_NS) and old.exists(), "the record does not say so yet"
    held.commit()
    files = [len([p for p in tmp_path.rglob("*") if p.is_file()])]
    steps = 0
    while retention.step(LOOK_NS) and (steps := steps + 1) < 50:
        files.append(len([p for p in tmp_path.rglob("*") if p.is_file()]))
    assert all(before - after <= 1 for before, after in pairwise(files)), "one file a step"
    assert not old.exists() and not list(tmp_path.glob(".going-*")) and newer.exists()
    held.close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        ((key, value),) = db.execute("SELECT key, value FROM run WHERE key LIKE 'removed%'")
    assert key == f"removed {old.name}" and '"by": "keep_days 30"' in value


def test_they_go_by_size_and_the_run_that_is_written_stays(tmp_path: Path) -> None:
    for number in (0, 10, 20):
        shift(tmp_path, number, keep_gb=9)
    first, second = away(tmp_path)
    with (second / "crops" / "large.png").open("wb") as file:
        file.truncate(3_000_000)
    recorder = begin(tmp_path, queue := Queue(), 1, keep_gb=0.003)
    queue.put(verdict(30))
    for step in range(400):
        recorder.step(step * 60_000_000)
    recorder.close()
    assert not first.exists() and not second.exists()
    assert numbers(tmp_path)[-1] == 30 and list(tmp_path.glob("crops/*/*.png"))


def test_what_a_kill_left_half_removed_is_removed_at_the_next_look(tmp_path: Path) -> None:
    shift(tmp_path, 0, keep_gb=9)
    (tmp_path / ".going-until-1" / "crops").mkdir(parents=True)
    (tmp_path / ".going-until-1" / "crops" / "a.png").touch()
    recorder = begin(tmp_path, Queue(), 1, keep_gb=9)
    for step in range(20):
        recorder.step(step * 60_000_000)
    recorder.close()
    assert not (tmp_path / ".going-until-1").exists()
