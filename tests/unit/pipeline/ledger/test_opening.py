"""A ledger is read whatever its writer left beside it, and reading costs no row."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glass_core.errors import InputError
from pipeline.ledger.opening import opened
from pipeline.ledger.reading import read_verdicts
from pipeline.ledger.store import Ledger
from tests.shared_data import shared
from tests.unit.pipeline.ledger.test_store import verdict

NOBODY = 65534


def closed(path: Path) -> None:
    held = Ledger(path, run_id="r")
    for number in range(4):
        held.add(verdict(number))
    held.close()


def killed(path: Path, *ends: str) -> None:
    """As a writer leaves it that is killed: the rows are in the -wal alone."""
    alive = path.with_name("alive.sqlite")
    held = Ledger(alive, run_id="r")
    for number in range(4):
        held.add(verdict(number))
    held.commit()
    for end in ("", *ends):
        shutil.copy(f"{alive}{end}", f"{path}{end}")
    held.close()
    for file in path.parent.glob("alive*"):
        file.unlink()


def interrupted(path: Path) -> None:
    """As a writer leaves it that is killed while it leaves the WAL mode: a page of zeros, and a hot journal that mends it."""
    closed(path)
    whole, page = path.read_bytes(), 4096
    sync = 512
    header = bytes.fromhex("d9d505f920a163d7") + (1).to_bytes(4, "big") + bytes(4)
    header += (len(whole) // page).to_bytes(4, "big") + sync.to_bytes(4, "big") + page.to_bytes(4, "big")
    first = whole[:page]
    check = sum(first[i] for i in range(page - 200, 0, -200)) & 0xFFFFFFFF
    record = (1).to_bytes(4, "big") + first + check.to_bytes(4, "big")
    path.with_name(path.name + "-journal").write_bytes(header.ljust(sync, b"\0") + record)
    path.write_bytes(first[:18] + b"\1\1" + first[20:28] + bytes(page - 28) + whole[page:])


LEFT: dict[str, Callable[[Path], None]] = {
    "closed": closed,
    "killed": lambda path: killed(path, "-wal", "-shm"),
    "killed, -shm gone": lambda path: killed(path, "-wal"),
    "interrupted": interrupted,
}


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody may write there."""
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    if os.geteuid() == 0:  # root may write everywhere
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o755)


@pytest.mark.parametrize("left", LEFT)
def test_every_row_is_read(tmp_path: Path, left: str) -> None:
    path = tmp_path / "ledger.sqlite"
    LEFT[left](path)
    for _ in range(2):
        assert [v.number for v in read_verdicts(path)] == [0, 1, 2, 3]
    assert {p.name for p in tmp_path.iterdir()} <= {"ledger.sqlite", "ledger.sqlite.lock"}


@pytest.mark.parametrize("left", LEFT)
def test_every_row_is_read_where_nothing_may_be_written(left: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's folders are closed to others
        folder = Path(name)
        LEFT[left](folder / "ledger.sqlite")
        before = {p: p.read_bytes() for p in folder.iterdir()}
        with read_only(folder):
            assert [v.number for v in read_verdicts(folder / "ledger.sqlite")] == [0, 1, 2, 3]
        assert {p: p.read_bytes() for p in folder.iterdir()} == before


def test_two_readers_beside_the_writer_each_see_one_state(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    held = Ledger(path, run_id="r", max_rows=1)
    held.add(verdict(0))
    held.commit()
    with opened(path) as early:
        held.add(verdict(1))
        held.commit()
        with opened(path) as late:
            held.add(verdict(2))
            held.commit()
            seen = [db.execute("SELECT COUNT(*) FROM verdicts").fetchone()[0] for db in (early, late)]
    assert seen == [1, 2]
    held.close()
    assert [v.number for v in read_verdicts(path)] == [0, 1, 2]


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    closed(path)
    with pytest.raises(InputError, match="attempt to write"), opened(path) as db:
        db.execute("DELETE FROM verdicts")


def test_a_line_that_ended_while_closing_has_its_report(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in shared("cases/hot_journal").iterdir():
        shutil.copy(file, folder / file.name)
    assert len(list(read_verdicts(folder / "ledger.sqlite"))) == 4
    assert not (folder / "ledger.sqlite-journal").exists()


def test_a_torn_ledger_is_told_without_advice_that_costs_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    closed(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"^ledger not readable \(.*\), .*ledger\.sqlite, keep all its files as they are.*$"):
        list(read_verdicts(path))


def test_a_ledger_that_another_program_holds_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    closed(path)
    connect = sqlite3.connect
    holder = connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("sqlite3.connect", lambda *args, **options: connect(*args, timeout=0.01, **options))  # type: ignore[call-overload]
    try:
        with pytest.raises(InputError, match=r"locked.*close the program that holds it and try again"):
            list(read_verdicts(path))
    finally:
        holder.close()
