"""The record of a line in one SQLite file: what is committed survives a killed process and a power cut."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glass_core.errors import InputError
from glass_core.files.whole_file import sync_folder
from pipeline.ledger.journal import VERDICTS_FILE
from pipeline.ledger.refused import not_writable
from pipeline.ledger.tables import BEFORE, BEFORE_LACKS, ENDED, FACT, NAMES, SCHEMA, TABLES, Row, row, told_later
from pipeline.ledger.writer_lock import is_written, lock
from pipeline.messages.message import Message, Payload
from pipeline.messages.verdicts import Verdict

BUSY_S = 0.5
"""How long a commit waits for a foreign program that holds the file before it counts as failed."""
BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
MOST_DAMAGED = 3
"""So many files may a disk damage in one life of a recorder: after that it is a fault."""
MAGIC = b"SQLite format 3\0"
HEADER, COOKIE_AT, VERSION_AT = 100, 40, 60
"""Bytes of a SQLite file: its header, and in it the count of changes to its tables and `user_version`.

https://www.sqlite.org/fileformat.html
"""
SIDES = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a ledger: it belongs to that very file."""


class LedgerFull(OSError):
    """The ledger could not be written (full, read-only or broken disk); every row is kept and may be tried again."""


class EarlierSchema(Exception):
    """A ledger is of the schema before: it is kept as it is."""


class Ledger:
    """The one writer of a ledger file, with group commit.

    Rows wait in memory until `commit`; one is due after `max_rows` rows or `max_ms` after the first. A row that was
    written before (same run, generation and number) stays as it was. Each `run_id` is a run of its own, by default
    named by its start; a writer that is started again within one run passes the same `run_id` and goes on.
    `facts` (configuration, hashes, version) are written at once. A file that is found damaged, now or at a later commit, is
    moved aside, and a new one goes on: `aside` says so. So is one of the schema before. InputError where the file cannot be
    used: no ledger, of a schema that is not known here, not writable, or another line is writing it. AbsentError where the
    disk does not take it now.
    """

    def __init__(
        self,
        path: Path,
        facts: dict[str, Any] | None = None,
        run_id: str | None = None,
        max_rows: int = 64,
        max_ms: float = 50.0,
    ) -> None:
        _refuse_link(path)
        self.path = path
        self.run_id = run_id or datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.committed = 0
        self.aside = ""
        """What became of a file that was damaged or of the schema before, for people; empty: there was none."""
        self._max_rows, self._max_ns = max_rows, int(max_ms * 1e6)
        self._begun_anew = 0
        self._pending: list[tuple[Message | None, Row]] = []
        self._first_ns: int | None = None
        self._facts: dict[str, tuple[str, str, str]] = {}
        self._db: sqlite3.Connection | None = None
        for key, value in {"started": datetime.now(UTC).isoformat(), **(facts or {})}.items():
            self._state(key, value)
        self._lock = lock(path)
        try:
            try:
                self._db = _open(path, self._facts.values())
            except EarlierSchema:
                self._begin_anew(f"schema-{BEFORE}", f"is of schema {BEFORE}")
            except sqlite3.Error as e:
                if not _broken(e) or not _ours(path):
                    raise
                self._begin_anew("damaged", f"was damaged ({e})")
        except BaseException as e:
            os.close(self._lock)
            if isinstance(e, sqlite3.Error | OSError):
                raise not_writable("ledger", path, e) from None
            raise

    @property
    def pending(self) -> int:
        """Rows that are not yet on disk."""
        return len(self._pending)

    def add(self, message: Message, payloads: tuple[Payload, ...] = ()) -> None:
        """Take one row; ValueError for a kind of message that has no table."""
        self._pending.append((message, row(self.run_id, message, payloads)))

    def add_fact(self, key: str, value: Any) -> None:
        """Take one more fact of the run, written with the next commit."""
        self._pending.append((None, (FACT, self._state(key, value))))

    def end(self) -> None:
        """Say with the rows that wait, in one commit, that the run ends here in order."""
        now = json.dumps(datetime.now(UTC).isoformat())
        self._pending.append((None, (FACT, (self.run_id, ENDED, now))))

    def commit_due(self, now_ns: int) -> bool:
        """Whether enough rows, or old enough ones, are waiting."""
        if not self._pending:
            return False
        if self._first_ns is None:
            self._first_ns = now_ns
        return len(self._pending) >= self._max_rows or now_ns - self._first_ns >= self._max_ns

    def commit(self) -> list[Message]:
        """Write all that waits, return when it is safe on disk, and give what was not there before.

        LedgerFull where that fails; nothing is lost then.
        """
        if not self._pending:
            return []
        try:
            try:
                new = self._write()
            except sqlite3.Error as e:
                if not _broken(e) or self._begun_anew >= MOST_DAMAGED:
                    raise
                self._begin_anew("damaged", f"was damaged ({e})")
                new = self._write()
        except (sqlite3.Error, OSError, InputError) as e:
            mend = "use another disk" if _broken(e) else "make room on the disk"
            raise LedgerFull(f"ledger not writable ({e}), {self.path}, {mend}") from e
        self.committed += len(self._pending)
        self._pending, self._first_ns = [], None
        return new

    def verdicts_after(self, run_id: str, generation: int, number: int) -> Iterator[tuple[str, Verdict]]:
        """Run and verdict of what was written later than that one, in the order of writing; nothing where it is not there."""
        after = "rowid > (SELECT rowid FROM verdicts WHERE run_id = ? AND generation = ? AND number = ?)"
        return self._verdicts(after, run_id, generation, number)

    def verdicts_of_run(self) -> Iterator[tuple[str, Verdict]]:
        """Run and verdict of all that was written of this run, in the order of writing."""
        return self._verdicts("run_id = ?", self.run_id)

    def _verdicts(self, where: str, *values: Any) -> Iterator[tuple[str, Verdict]]:
        assert self._db is not None
        try:
            for run, body in self._db.execute(f"SELECT run_id, body FROM verdicts WHERE {where} ORDER BY rowid", values):
                try:
                    yield run, Verdict.model_validate(json.loads(body))
                except (ValueError, ValidationError):
                    continue  # damaged: whoever reads the ledger counts it as lost
        except sqlite3.Error:
            return  # a commit will find the damage, too, and see to it

    def close(self) -> None:
        """Commit what waits, close the file and let others write; LedgerFull where rows could not be saved.

        The file then stands alone, without SQLite's side files, unless somebody reads it. It stays in WAL mode: leaving that
        would put the whole record under a rollback journal, which a kill then leaves behind.
        """
        try:
            self.commit()
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Close the file with what is committed, as when the process dies."""
        if self._db is not None:
            self._db.close()
        os.close(self._lock)

    def _write(self) -> list[Message]:
        if self._db is None:
            self._db = _open(self.path, self._facts.values())
        new = []
        with self._db:
            for message, (statement, values) in self._pending:
                if self._db.execute(statement, values).rowcount and message is not None:
                    new.append(message)
        return new

    def _state(self, key: str, value: Any) -> tuple[str, str, str]:
        """Keep a fact of the run for every file that it may be written to."""
        return self._facts.setdefault(key, (self.run_id, key, json.dumps(value, default=str)))

    def _begin_anew(self, name: str, why: str) -> None:
        """Move the file aside, under a name of its own, and open a new one that says so."""
        if self._db is not None:
            self._db.close()
            self._db = None
        place = set_aside(self.path, name)
        self._begun_anew += 1
        self.aside = f"ledger {why}, {place}, is kept there; a new one goes on"
        self._state(f"{name} before {place.name}", self.aside)
        self._db = _open(self.path, self._facts.values())


def set_aside(path: Path, why: str) -> Path:
    """Give a ledger, with what SQLite keeps beside it, another name that says why.

    Returns where it lies now. OSError where that fails.
    """
    place = path.with_name(f"{path.stem}.{why}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{path.suffix}")
    for end in (*SIDES, ""):  # the file itself last: without it nobody would look for its sides
        side = path.with_name(path.name + end)
        if side.exists():
            side.rename(place.with_name(place.name + end))
    sync_folder(path.parent)
    return place


def stands_alone(path: Path) -> bool:
    """Whether a ledger that nobody writes is whole in its one file, after what a killed writer had begun is finished."""
    try:
        with suppress(EarlierSchema):
            _open(path, ()).close()
    except sqlite3.Error:
        return False
    return not any(path.with_name(path.name + end).exists() for end in SIDES)


def check_usable(path: Path) -> None:
    """InputError for what a Ledger would refuse at this path, as far as its first bytes tell; nothing is written."""
    _refuse_link(path)
    if is_written(path):
        raise InputError(f"ledger in use by another line, {path}, stop it or choose another ledger.path")
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InputError(f"ledger is no file, {path}, choose another ledger.path")
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
        foreign = bool(head) and not _ours(path)
    except FileNotFoundError:
        return
    except OSError as e:
        raise not_writable("ledger", path, e) from None
    if not os.access(path, os.W_OK):
        raise InputError(f"ledger not writable, {path}, choose another ledger.path")
    cookie, version = (int.from_bytes(head[at : at + 4]) for at in (COOKIE_AT, VERSION_AT))
    other = head.startswith(MAGIC) and (version not in (0, BEFORE, SCHEMA) or (version == 0 and cookie > 0))
    if foreign or other:
        raise InputError(f"ledger is not of schema {SCHEMA}, {path}, choose another ledger.path")


def _refuse_link(path: Path) -> None:
    if path.is_symlink():  # SQLite would write where it leads
        raise InputError(f"ledger is a link, {path}, give the place where it leads as ledger.path")


def _ours(path: Path) -> bool:
    """Whether a line wrote this file: anything else that somebody named by mistake stays where it is."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC or path.with_name(VERDICTS_FILE).exists()


def _broken(error: Exception) -> bool:
    """The primary result code says so: https://www.sqlite.org/rescode.html."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in BROKEN


def _open(path: Path, facts: Iterable[tuple[str, str, str]]) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S)
    try:
        db.create_function("told_later", 2, told_later, deterministic=True)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if version == 0 and not names:
            db.executescript(f"BEGIN;{TABLES}PRAGMA user_version={SCHEMA};COMMIT;")
        elif version == BEFORE and names >= NAMES - BEFORE_LACKS.keys():
            raise EarlierSchema
        elif version != SCHEMA:
            raise InputError(f"ledger is not of schema {SCHEMA}, {path}, choose another ledger.path")
        elif not names >= NAMES:
            lost = sqlite3.DatabaseError(f"no table {min(NAMES - names)}")
            lost.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise lost
        with db:
            db.executemany(FACT, facts)
        sync_folder(path.parent)  # SQLite sees to what is in its files, and not to their names
    except BaseException:
        db.close()
        raise
    return db
