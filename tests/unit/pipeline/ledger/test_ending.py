"""A run that was cut off is told from one that ended in order, from one that is written now, and from an older program's."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from glass_core.errors import InputError
from pipeline.ledger import writer_lock
from pipeline.ledger.ending import Ending
from pipeline.ledger.lost import Missing, read_missing
from pipeline.ledger.opening import opened
from pipeline.ledger.reading import read_runs
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import ENDED
from pipeline.messages.message import Message
from tests.fakes import totals
from tests.unit.pipeline.ledger.test_lost import CONFIG, cloth, lost

CUT_OFF = "The run did not end in order: what was inspected after its last record is not known."
MARKS: dict[str, Any] = {"config": CONFIG, ENDED: None}


def begun(folder: Path, run_id: str = "r", facts: dict[str, Any] = MARKS, more: tuple[Message, ...] = ()) -> Ledger:
    held = Ledger(folder / "ledger.sqlite", facts, run_id=run_id)
    for message in (*cloth(3), *more):
        held.add(message)
    held.commit()
    return held


def test_a_run_that_was_cut_off_lacks_its_end_and_one_that_ended_in_order_does_not(tmp_path: Path) -> None:
    begun(tmp_path / "cut").let_go()
    assert str(read_missing(tmp_path / "cut/ledger.sqlite")) == CUT_OFF
    whole = begun(tmp_path / "whole")
    whole.end()
    whole.close()
    assert read_missing(tmp_path / "whole/ledger.sqlite") == Missing()
    assert read_runs(tmp_path / "whole/ledger.sqlite")["r"][ENDED].endswith("+00:00")


def test_a_run_that_is_written_now_has_not_been_cut_off_and_the_one_before_it_has(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    begun(tmp_path, "first").let_go()
    second = begun(tmp_path, "second")
    assert read_missing(path) == Missing() and read_missing(path, "first") == Missing(end=True)
    second.let_go()
    assert read_missing(path) == Missing(end=True)


def test_a_run_that_goes_on_has_not_ended_any_more(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = begun(tmp_path)
    first.end()
    first.close()
    begun(tmp_path).let_go()
    assert read_missing(path) == Missing(end=True) and list(read_runs(path)["r"]) == ["started", "config", ENDED]
    third = begun(tmp_path)
    third.end()
    third.close()
    assert read_missing(path) == Missing()


def test_of_an_older_programs_run_nothing_is_said(tmp_path: Path) -> None:
    begun(tmp_path, facts={"config": CONFIG}).let_go()
    assert read_missing(tmp_path / "ledger.sqlite") == Missing()


def test_a_damaged_mark_is_no_word_of_a_cut(tmp_path: Path) -> None:
    begun(tmp_path).let_go()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db, db:
        db.execute("UPDATE run SET value = 'nulx' WHERE key = 'ended'")
    assert read_missing(tmp_path / "ledger.sqlite") == Missing()


@pytest.mark.parametrize("ends", [True, False])
def test_cloth_that_is_known_to_have_run_is_lost_where_the_run_was_cut_off(tmp_path: Path, ends: bool) -> None:
    held = begun(tmp_path, more=(totals(verdicts=6, passed=6, position_mm=130.0),))
    if ends:
        held.end()
    held.close()
    assert lost(held.path) == ([] if ends else [("a", 75, 130), ("b", 82, 137)])
    assert read_missing(held.path) == Missing(end=not ends)


def test_what_else_is_missing_is_told_before_its_end(tmp_path: Path) -> None:
    begun(tmp_path, more=(totals(verdicts=8),)).let_go()
    assert str(read_missing(tmp_path / "ledger.sqlite")) == f"The record is not whole: it lacks 2 verdicts. {CUT_OFF}"


def test_a_copy_of_a_ledger_says_that_nobody_writes_it(tmp_path: Path) -> None:
    held = begun(tmp_path)
    (tmp_path / "copy").mkdir()
    for file in tmp_path.glob("ledger.sqlite*"):
        if not file.name.endswith(".lock"):
            (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
    assert read_missing(tmp_path / "copy/ledger.sqlite") == Missing(end=True)
    held.close()


def test_a_lock_that_nobody_may_look_at_counts_as_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path).let_go()
    real = os.open

    def refuse(path: Any, *args: Any, **options: Any) -> int:
        if str(path).endswith(".lock"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert read_missing(tmp_path / "ledger.sqlite") == Missing()


def test_a_line_that_starts_while_somebody_looks_has_not_been_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    before = Ending(path)
    held = begun(tmp_path)
    with opened(path) as db:
        assert not before.lacks(db, "r")
    held.let_go()
    with opened(path) as db:
        assert Ending(path).lacks(db, "r")


def test_whoever_looks_takes_nothing_from_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    assert not writer_lock.is_written(path) and not list(tmp_path.iterdir())
    held = begun(tmp_path)
    assert writer_lock.is_written(path)
    with pytest.raises(InputError, match="ledger in use by another line"):
        writer_lock.check_free(path)
    held.close()
    assert not writer_lock.is_written(path)
    writer_lock.check_free(path)
