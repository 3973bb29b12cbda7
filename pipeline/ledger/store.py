"""The record of a line in one SQLite file: what is committed survives a killed process and a power cut."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from glass_core.errors import InputError
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.frames import CameraFacts
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message, Payload
from pipeline.messages.verdicts import Verdict

SCHEMA = 2
BUSY_S = 0.5
"""How long a commit waits for a foreign program that holds the file before it counts as failed."""
TABLES = """
CREATE TABLE run (run_id TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (run_id, key));
CREATE TABLE verdicts (run_id TEXT, generation INTEGER, number INTEGER, camera TEXT NOT NULL, boot_id TEXT NOT NULL,
    seq INTEGER, result TEXT NOT NULL, reason TEXT, score REAL, start_mm REAL, end_mm REAL, roll_id TEXT NOT NULL,
    origin TEXT NOT NULL, latency_ms REAL, t_utc_ns INTEGER NOT NULL, tiles INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
CREATE TABLE states (run_id TEXT, generation INTEGER, number INTEGER, state TEXT NOT NULL,
    inspection_ok INTEGER NOT NULL, t_utc_ns INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
CREATE TABLE rejects (run_id TEXT, generation INTEGER, number INTEGER, verdict INTEGER NOT NULL, camera TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run_id, generation, number));
CREATE TABLE actions (run_id TEXT, generation INTEGER, number INTEGER, event INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
CREATE TABLE camera_facts (run_id TEXT, camera TEXT, boot_id TEXT, t_utc_ns INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (run_id, camera, boot_id));
CREATE TABLE web (run_id TEXT, generation INTEGER, kind TEXT, number INTEGER, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, kind, number));
CREATE TABLE totals (run_id TEXT, generation INTEGER, body TEXT NOT NULL, PRIMARY KEY (run_id, generation));
"""

M = TypeVar("M", bound=Message)
Row = tuple[str, tuple[Any, ...]]
SpanRow = tuple[str, str, float, float, str, str | None]


class LedgerFull(OSError):
    """The ledger could not be written (full, read-only or broken disk); every row is kept and may be tried again."""


class Ledger:
    """The one writer of a ledger file, with group commit.

    Rows wait in memory until `commit`; one is due after `max_rows` rows or `max_ms` after the first. A row that was
    written before (same run, generation and number) stays as it was. Each `run_id` is a run of its own, by default
    named by its start; a writer that is started again within one run passes the same `run_id` and goes on.
    `facts` (configuration, hashes, version) are written at once. InputError where the file cannot be used: no ledger,
    not writable, or another line is writing it.
    """

    def __init__(
        self,
        path: Path,
        facts: dict[str, Any] | None = None,
        run_id: str | None = None,
        max_rows: int = 64,
        max_ms: float = 50.0,
    ) -> None:
        if path.is_symlink():  # SQLite would write where it leads
            raise InputError(f"ledger is a link, {path}, give the place where it leads as ledger.path")
        self.path = path
        self.run_id = run_id or datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.committed = 0
        self._max_rows, self._max_ns = max_rows, int(max_ms * 1e6)
        self._pending: list[Row] = []
        self._first_ns: int | None = None
        started = {"started": datetime.now(UTC).isoformat(), **(facts or {})}
        rows = [(self.run_id, key, json.dumps(value, default=str)) for key, value in started.items()]
        self._lock = _lock(path)
        try:
            self._db = _open(path, rows)
        except BaseException as e:
            os.close(self._lock)
            if isinstance(e, sqlite3.Error):
                raise InputError(f"ledger not writable ({e}), {path}, choose another ledger.path") from None
            raise

    @property
    def pending(self) -> int:
        """Rows that are not yet on disk."""
        return len(self._pending)

    def add(self, message: Message, payloads: tuple[Payload, ...] = ()) -> None:
        """Take one row; ValueError for a kind of message that has no table."""
        self._pending.append(_row(self.run_id, message, payloads))

    def commit_due(self, now_ns: int) -> bool:
        """Whether enough rows, or old enough ones, are waiting."""
        if not self._pending:
            return False
        if self._first_ns is None:
            self._first_ns = now_ns
        return len(self._pending) >= self._max_rows or now_ns - self._first_ns >= self._max_ns

    def commit(self) -> None:
        """Write all that waits and return when it is safe on disk; LedgerFull where that fails, nothing is lost."""
        if not self._pending:
            return
        try:
            with self._db:
                for statement, values in self._pending:
                    self._db.execute(statement, values)
        except sqlite3.Error as e:
            raise LedgerFull(f"ledger not writable ({e}), {self.path}, make room on the disk") from e
        self.committed += len(self._pending)
        self._pending, self._first_ns = [], None

    def close(self) -> None:
        """Commit what waits, close the file and let others write; LedgerFull where rows could not be saved.

        The file then stands alone, without SQLite's side files, unless somebody reads it. It stays in WAL mode: leaving that
        would put the whole record under a rollback journal, which a kill then leaves behind.
        """
        try:
            self.commit()
        finally:
            self._db.close()
            os.close(self._lock)


def check_free(path: Path) -> None:
    """InputError while somebody writes this ledger."""
    os.close(_lock(path))


def _lock(path: Path) -> int:
    """Hold `<ledger>.lock`, which the kernel frees when the process dies, however it dies."""
    side = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(side, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as e:
        raise InputError(f"ledger not writable ({e.strerror}), {path}, choose another ledger.path") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise InputError(f"ledger in use by another line, {path}, stop it or choose another ledger.path") from None
    return handle


def _open(path: Path, facts: list[tuple[str, str, str]]) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_S)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            db.executescript(f"BEGIN;{TABLES}PRAGMA user_version={SCHEMA};COMMIT;")
        elif version != SCHEMA:
            raise InputError(f"ledger is not of schema {SCHEMA}, {path}, choose another ledger.path")
        with db:
            db.executemany("INSERT OR IGNORE INTO run VALUES (?, ?, ?)", facts)
    except BaseException:
        db.close()
        raise
    return db


def _row(run_id: str, message: Message, payloads: tuple[Payload, ...]) -> Row:
    # json.dumps keeps NaN and infinity, which pydantic's own JSON would turn into null.
    body = json.dumps(message.model_dump(mode="json"))
    values: tuple[Any, ...]
    match message:
        case Verdict() as v:
            table = "verdicts"
            values = (
                v.generation,
                v.number,
                v.camera,
                v.boot_id,
                v.seq,
                v.result,
                v.reason,
                v.score,
                v.start_mm,
                v.end_mm,
                v.roll_id,
                v.origin,
                v.latency_ms,
                v.t_utc_ns,
                v.tiles,
                body,
            )
        case LineState() as s:
            table, values = "states", (s.generation, s.number, s.state, s.inspection_ok, s.t_utc_ns, body)
        case Reject() as r:
            table, values = "rejects", (r.generation, r.number, r.verdict, r.camera, body)
        case Action() as a:
            table, values = "actions", (a.generation, a.number, a.event, body)
        case Roll() | SpanEvent() | Alignment():
            table, values = "web", (message.generation, type(message).__name__, message.number, body)
        case CameraFacts() as f:
            table = "camera_facts"
            values = (f.camera, f.boot_id, f.t_utc_ns, bytes(payloads[0]).decode(errors="replace"))
        case Totals() as t:
            table, values = "totals", (t.generation, body)
        case _:
            raise ValueError(f"the ledger has no table for {type(message).__name__}")
    conflict = "REPLACE" if table == "totals" else "IGNORE"
    marks = ", ".join("?" * (1 + len(values)))
    return f"INSERT OR {conflict} INTO {table} VALUES ({marks})", (run_id, *values)
