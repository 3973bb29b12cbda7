"""The record of a line in one SQLite file: what is committed survives a killed process and a power cut."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from glass_core.errors import InputError
from pipeline.cloth.borders import Borders
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.frames import Action, CameraFacts, LineState, Message, Payload, Reject, Totals, Verdict

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

NEW_CLOTH = "json_extract(body, '$.rescan') IS NOT 1"
"""Cloth seen again after a reverse adds neither metres nor defects."""

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

        The file then stands alone, without SQLite's side files, so that it can be read from a read-only copy.
        """
        try:
            self.commit()
            with suppress(sqlite3.Error):  # a reader still holds it: the side files stay, and are as safe
                self._db.execute("PRAGMA journal_mode=DELETE")
        finally:
            self._db.close()
            os.close(self._lock)


def read_runs(path: Path) -> dict[str, dict[str, Any]]:
    """The facts of every run in the ledger, oldest first."""
    runs: dict[str, dict[str, Any]] = {}
    with _reading(path) as db:
        for run_id, key, value in db.execute("SELECT run_id, key, value FROM run ORDER BY rowid"):
            runs.setdefault(run_id, {})[key] = json.loads(value)
    return runs


def read_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The verdicts of a run (default: the last) in the order in which they were given, each on the roll that it lies on."""
    return _placed(path, run_id, _read(path, run_id, "verdicts", Verdict))


def read_defect_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The DEFECT verdicts of a run (default: the last), in order, each on the roll that it lies on."""
    return _placed(path, run_id, _read(path, run_id, "verdicts", Verdict, f"result = 'DEFECT' AND {NEW_CLOTH}"))


def _placed(path: Path, run_id: str | None, verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    borders = read_borders(path, run_id)
    for verdict in verdicts:
        roll_id = borders.of(verdict.start_mm, verdict.end_mm, verdict.roll_id)
        yield verdict if roll_id == verdict.roll_id else verdict.model_copy(update={"roll_id": roll_id})


def read_spans(path: Path, run_id: str | None = None) -> Iterator[SpanRow]:
    """Camera, roll, from mm, to mm, result and reason of every verdict with a place, in order; fast on long runs.

    A frame across the border of two rolls gives a part to each; cloth seen again is left out.
    """
    borders = read_borders(path, run_id)
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, roll_id, start_mm, end_mm, result, reason FROM verdicts WHERE run_id = ? "
            f"AND start_mm IS NOT NULL AND end_mm IS NOT NULL AND {NEW_CLOTH} ORDER BY generation, number",
            (_run(db, path, run_id),),
        )
        for camera, roll_id, start_mm, end_mm, result, reason in rows:
            for part in borders.parts(start_mm, end_mm, roll_id):
                yield camera, *part, result, reason


def read_cloth_edges(path: Path, run_id: str | None = None) -> Iterator[tuple[str, str, float, float]]:
    """Camera, roll and the cloth's two edges in mm of every judged frame that shows them, of a run (default: the last)."""
    borders = read_borders(path, run_id)
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, roll_id, start_mm, end_mm, json_extract(body, '$.cloth_x_mm') AS cloth FROM verdicts "
            f"WHERE run_id = ? AND result != 'NOT_INSPECTED' AND cloth IS NOT NULL AND {NEW_CLOTH}",
            (_run(db, path, run_id),),
        )
        for camera, roll_id, start_mm, end_mm, cloth in rows:
            yield camera, borders.of(start_mm, end_mm, roll_id), *json.loads(cloth)


def read_states(path: Path, run_id: str | None = None) -> Iterator[LineState]:
    """The line states of a run (default: the last), in order."""
    return _read(path, run_id, "states", LineState)


def read_rejects(path: Path, run_id: str | None = None) -> Iterator[Reject]:
    """The reject signals of a run (default: the last), in order."""
    return _read(path, run_id, "rejects", Reject)


def read_actions(path: Path, run_id: str | None = None) -> Iterator[Action]:
    """What the action table asked for in a run (default: the last), in order."""
    return _read(path, run_id, "actions", Action)


def read_rolls(path: Path, run_id: str | None = None) -> Iterator[Roll]:
    """Where the rolls of a run (default: the last) begin and end, in order."""
    return _read(path, run_id, "web", Roll, "kind = 'Roll'")


def read_borders(path: Path, run_id: str | None = None) -> Borders:
    """Which roll of a run (default: the last) a place is on."""
    return Borders(read_rolls(path, run_id))


def read_events(path: Path, run_id: str | None = None) -> Iterator[SpanEvent]:
    """The seams, leads, stop marks and wrinkles of a run (default: the last), in order."""
    return _read(path, run_id, "web", SpanEvent, "kind = 'SpanEvent'")


def read_alignments(path: Path, run_id: str | None = None) -> Iterator[Alignment]:
    """How neighbouring cameras were found to be aligned in a run (default: the last), in order."""
    return _read(path, run_id, "web", Alignment, "kind = 'Alignment'")


def read_totals(path: Path, run_id: str | None = None) -> Iterator[Totals]:
    """The last totals of each generation of decision in a run (default: the last)."""
    return _read(path, run_id, "totals", Totals)


def read_cameras(path: Path, run_id: str | None = None) -> dict[str, tuple[int, int]]:
    """Each camera of a run (default: the last) that has verdicts: its frames, and how many have a known place."""
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, COUNT(seq), COUNT(CASE WHEN seq IS NOT NULL THEN start_mm END) "
            "FROM verdicts WHERE run_id = ? GROUP BY camera ORDER BY camera",
            (_run(db, path, run_id),),
        )
        return {camera: (frames, placed) for camera, frames, placed in rows}


def read_frame_shapes(path: Path, run_id: str | None = None) -> dict[str, tuple[int, ...]]:
    """The shape of each camera's pictures in a run (default: the last), of one that was scored."""
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, body FROM verdicts WHERE run_id = ? AND score IS NOT NULL GROUP BY camera",
            (_run(db, path, run_id),),
        )
        shapes = {camera: json.loads(body).get("frame_shape") for camera, body in rows}
        return {camera: tuple(shape) for camera, shape in shapes.items() if shape}


def read_camera_facts(path: Path, run_id: str | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """What each camera of a run (default: the last) was and how it was set, by its name and the boot_id of its verdicts."""
    query = "SELECT camera, boot_id, facts FROM camera_facts WHERE run_id = ? ORDER BY rowid"
    with _reading(path) as db:
        rows = db.execute(query, (_run(db, path, run_id),))
        return {(camera, boot_id): json.loads(facts) for camera, boot_id, facts in rows}


def _read(path: Path, run_id: str | None, table: str, kind: type[M], where: str = "TRUE") -> Iterator[M]:
    order = "generation" if table == "totals" else "generation, number"
    query = f"SELECT body FROM {table} WHERE run_id = ? AND {where} ORDER BY {order}"
    with _reading(path) as db:
        for (body,) in db.execute(query, (_run(db, path, run_id),)):
            yield kind.model_validate(json.loads(body))


def _run(db: sqlite3.Connection, path: Path, run_id: str | None) -> str:
    query = "SELECT run_id FROM run WHERE ?1 IS NULL OR run_id = ?1 ORDER BY rowid DESC LIMIT 1"
    found = db.execute(query, (run_id,)).fetchone()
    if found is None:
        raise InputError(f"ledger has no such run {run_id or ''}, {path}, give a ledger that a line has written")
    return str(found[0])


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection, also beside a writer."""
    if not path.is_file():
        raise InputError(f"ledger not found, {path}, give the folder that a run or replay wrote")
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA:
            raise InputError(f"ledger has schema {version}, {path}, this version reads schema {SCHEMA}")
        yield db
    except (sqlite3.Error, json.JSONDecodeError) as e:
        raise InputError(f"ledger not readable ({e}), {path}, restore it from a copy") from None
    finally:
        db.close()


def _lock(path: Path) -> int:
    """Hold `<ledger>.lock`, which the kernel frees when the process dies, however it dies."""
    side = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(side, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
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
