"""A damaged ledger is moved aside whole, a new one goes on with what was in hand, and the record says so."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.ledger.reading import read_runs, read_verdicts
from pipeline.ledger.stage import make_recorder
from pipeline.ledger.store import Ledger, LedgerFull
from pipeline.messages.states import StageState
from tests.unit.pipeline.ledger.test_stage import Bench, Queue, verdict


def zero_the_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(4096))


def cut(path: Path) -> None:
    os.truncate(path, 4096 + 100)


def lose_a_table(path: Path) -> None:
    db = sqlite3.connect(path)
    with db:
        db.execute("DROP TABLE totals")
    db.close()


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("ledger.damaged-*.sqlite"))


@pytest.mark.parametrize("damage", [zero_the_header, cut, lose_a_table])
def test_a_ledger_found_damaged_at_the_start_is_moved_aside(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path, run_id="before").close()
    (tmp_path / "verdicts.jsonl").touch()
    damage(path)
    before = path.read_bytes()
    held = Ledger(path, {"line": "loom"}, run_id="r")
    held.add(verdict(0))
    held.close()
    (kept,) = aside(tmp_path)
    assert kept.read_bytes() == before, "nothing of it is touched"
    assert held.aside.startswith("ledger was damaged (") and str(kept) in held.aside
    facts = read_runs(path)["r"]
    assert facts["line"] == "loom" and facts[f"damaged before {kept.name}"] == held.aside
    assert [v.number for v in read_verdicts(path)] == [0]


def test_what_a_killed_writer_left_beside_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    Ledger(tmp_path / "first/ledger.sqlite", run_id="r").close()
    writer = Ledger(tmp_path / "first/ledger.sqlite", run_id="r")
    writer.add(verdict(0))
    writer.commit()
    path = tmp_path / "ledger.sqlite"
    for end in ("", "-wal"):
        shutil.copyfile(tmp_path / f"first/ledger.sqlite{end}", path.with_name(path.name + end))
    writer.close()
    (tmp_path / "verdicts.jsonl").touch()
    zero_the_header(path)
    body = json.dumps(verdict(0).model_dump(mode="json")).encode()
    assert body not in path.read_bytes() and body in path.with_name("ledger.sqlite-wal").read_bytes()
    Ledger(path).close()
    (kept,) = aside(tmp_path)
    assert body in kept.read_bytes(), "SQLite has brought it home"


def test_damage_that_shows_at_a_commit_costs_none_of_the_records_in_hand(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(4):
        bench.queue.put(verdict(number))
    bench.run(40)
    bench.ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (tmp_path / "ledger.sqlite").stat().st_size
    with (tmp_path / "ledger.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\x99" * (size - 4096))
    bench.ledger._db.execute("PRAGMA cache_size=0")
    for number in range(4, 9):
        bench.queue.put(verdict(number))
    bench.run(60)
    assert len(aside(tmp_path)) == 1
    assert {v.number for v in read_verdicts(tmp_path / "ledger.sqlite")} >= set(range(5, 9))
    assert bench.queue.safe[-1].last == 8
    assert [line["number"] for line in bench.lines()] == list(range(9)), "no verdict has two lines"
    told = [s for s in bench.queue.sent if s.state is StageState.DEGRADED]
    assert len({s.detail for s in told}) == 1 and "a new one goes on" in told[0].detail
    bench.now_ns += 10**12
    bench.run(2)
    assert bench.queue.sent[-1].state is StageState.READY, "it is told for a while"
    bench.recorder.close()


def test_a_disk_that_damages_every_file_is_a_fault_and_fills_with_no_more_of_them(tmp_path: Path) -> None:
    held = Ledger(tmp_path / "ledger.sqlite", run_id="r")
    failed = []
    for number in range(8):
        held.add(verdict(number))
        broken = sqlite3.DatabaseError("database disk image is malformed")
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        write = held._write
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(held, "_write", damaged_once(broken, write))
            try:
                held.commit()
            except LedgerFull as e:
                failed.append(str(e))
    assert len(aside(tmp_path)) == 3 and len(failed) == 5
    assert failed[0].endswith("use another disk") and held.pending == 5
    held.let_go()


def damaged_once(broken: Exception, write: Callable[[], object]) -> Callable[[], object]:
    """The first call finds the damage, the next one writes."""
    calls = iter([broken])

    def call() -> object:
        for error in calls:
            raise error
        return write()

    return call


def test_a_recorder_that_is_started_again_goes_on_beside_a_damaged_ledger(tmp_path: Path) -> None:
    config = LineConfig.model_validate({"ledger": {"path": tmp_path / "ledger.sqlite"}})
    make_recorder(queue := Queue(), queue, config, tmp_path / "model", 0, os.getpid()).close()
    zero_the_header(config.ledger.path)
    recorder = make_recorder(queue := Queue(), queue, config, tmp_path / "model", 1, os.getpid())
    recorder.step(0)
    recorder.close()
    assert queue.sent[0].state is StageState.DEGRADED and "damaged" in queue.sent[0].detail


def test_a_ledger_of_another_schema_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    (tmp_path / "verdicts.jsonl").touch()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=3")
    db.close()
    with pytest.raises(InputError, match="not of schema 2"):
        Ledger(path)
    assert not aside(tmp_path)
