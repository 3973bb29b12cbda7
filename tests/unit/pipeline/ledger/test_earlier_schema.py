"""A record of the schema before is read as it is, and a line that writes there keeps it and begins a new one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.ledger.opening import opened, schema_of
from pipeline.ledger.reading import read_actions, read_rejects, read_rolls, read_runs, read_verdicts
from pipeline.ledger.retention import put_away
from pipeline.ledger.store import Ledger, check_usable
from pipeline.ledger.tables import BEFORE, SCHEMA
from pipeline.messages.states import Result
from pipeline.report.sheet import read_roll
from tests.specimens import build_record
from tests.unit.pipeline.ledger.test_store import verdict


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    return build_record(BEFORE, tmp_path / "ledger.sqlite")


def test_it_is_read_with_what_it_has(earlier: Path) -> None:
    before = earlier.read_bytes()
    assert schema_of(earlier) == BEFORE != SCHEMA
    assert [(v.seq, v.result) for v in read_verdicts(earlier)] == [
        (0, Result.PASS), (1, Result.DEFECT), (2, Result.NOT_INSPECTED),
    ]  # fmt: skip
    assert [r.verdict for r in read_rejects(earlier)] == [1]
    assert list(read_actions(earlier)) == list(read_rolls(earlier)) == []
    sheet = read_roll(earlier)
    assert [(roll.roll_id, len(roll.defects)) for roll in sheet.rolls] == [("R-0007", 1)]
    assert earlier.read_bytes() == before, "nothing of it is changed"


def test_nothing_can_be_written_through_a_reader(earlier: Path) -> None:
    with opened(earlier) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM verdicts")


def test_a_line_keeps_it_and_begins_a_new_one(earlier: Path) -> None:
    before = earlier.read_bytes()
    check_usable(earlier)
    held = Ledger(earlier, run_id="r")
    held.add(verdict(0))
    held.close()
    (kept,) = earlier.parent.glob("ledger.schema-1-*.sqlite")
    assert kept.read_bytes() == before
    assert held.aside == f"ledger is of schema 1, {kept}, is kept there; a new one goes on"
    assert held.aside in read_runs(earlier)["r"].values()
    assert schema_of(earlier) == SCHEMA and [v.number for v in read_verdicts(earlier)] == [0]
    assert len(list(read_verdicts(kept))) == 3


def test_finished_runs_of_it_are_put_away_with_it(earlier: Path) -> None:
    Ledger(earlier, run_id="r").close()
    put_away(earlier)
    (away,) = earlier.parent.glob("until-*")
    assert {p.name.split("-")[0] for p in away.glob("*.sqlite")} == {"ledger.schema", "ledger.sqlite"}


def test_one_that_a_line_left_there_is_put_away_as_it_is(earlier: Path) -> None:
    put_away(earlier)
    (away,) = earlier.parent.glob("until-*")
    assert len(list(read_verdicts(away / "ledger.sqlite"))) == 3


@pytest.mark.parametrize("version", [SCHEMA + 1, 77])
def test_a_later_one_is_refused_and_stays(earlier: Path, version: int) -> None:
    with closing(sqlite3.connect(earlier)) as db:
        db.execute(f"PRAGMA user_version={version}")
    with pytest.raises(InputError, match=f"ledger has schema {version}, .*schemas 1 and 2"):
        read_runs(earlier)
    for use in (check_usable, Ledger):
        with pytest.raises(InputError, match="ledger is not of schema 2"):
            use(earlier)
    assert schema_of(earlier) == version and not list(earlier.parent.glob("ledger.schema-*"))


def test_another_programs_file_of_that_number_is_not_moved(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE bookmarks (url TEXT); PRAGMA user_version=1;")
    with pytest.raises(InputError, match="ledger is not of schema 2"):
        Ledger(path)
    assert not list(tmp_path.glob("ledger.schema-*"))
