"""Opens a ledger to read it: beside its writer, after one that was killed, and where nothing may be written."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from glass_core.errors import InputError
from pipeline.ledger.tables import BEFORE, BEFORE_LACKS, SCHEMA

Connection = sqlite3.Connection

NOT_WRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
HELD = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
KEEP = "keep all its files as they are, and read what `sqlite3 ledger.sqlite .recover` saves of a copy"
UNFINISHED = ("-journal", "-wal")
"""What SQLite leaves beside a ledger whose writer was killed; without it the ledger is older, or torn."""


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    """A connection that sees the ledger as it is now, whatever is written meanwhile.

    It opens as any program does, so that SQLite first finishes or undoes what a killed writer had begun. Where the folder
    may not be written, that is done on a copy. InputError where the ledger cannot be read; no advice in it costs a row.
    """
    if not path.is_file():
        raise InputError(f"ledger not found, {path}, give the folder that a run or replay wrote")
    try:
        with _begun(path) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if not version:
                lost = "its -wal file is torn or gone; verdicts.jsonl beside it may still hold the verdicts"
                raise InputError(f"ledger holds nothing (schema 0), {path}, {lost}")
            if version == BEFORE:
                _see_as_present(db)
            elif version != SCHEMA:
                read = f"this program reads schemas {BEFORE} and {SCHEMA}, read it with the one that wrote it"
                raise InputError(f"ledger has schema {version}, {path}, {read}")
            yield db
    except sqlite3.Error as e:
        raise InputError(f"ledger not readable ({e}), {path}, {_advice(e)}") from None


def schema_of(path: Path) -> int:
    """The schema of a ledger, whichever it is, 0: of nothing; InputError where the file cannot be read as one."""
    try:
        with _begun(path) as db:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as e:
        raise InputError(f"ledger not readable ({e}), {path}, {_advice(e)}") from None


def _see_as_present(db: Connection) -> None:
    """Show a ledger of the schema before as one of the present; what is temporary lies beside the file."""
    db.execute("PRAGMA query_only=0")
    for name, empty in BEFORE_LACKS.items():
        db.execute(f"CREATE TEMP VIEW {name} AS {empty}")
    db.execute("PRAGMA query_only=1")


def _advice(error: sqlite3.Error) -> str:
    if _code(error) in HELD:
        return "close the program that holds it and try again"
    return KEEP


def _code(error: sqlite3.Error) -> int:
    """The primary result code: https://www.sqlite.org/rescode.html."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def _begun(path: Path) -> Iterator[Connection]:
    with ExitStack() as stack:
        try:
            db = stack.enter_context(closing(_begin(path, "mode=rw")))
        except sqlite3.Error as e:
            if _code(e) not in NOT_WRITABLE:
                raise
            beside = [side for end in UNFINISHED if (side := path.with_name(path.name + end)).exists()]
            if any(side.stat().st_size for side in beside):
                try:
                    folder = Path(stack.enter_context(TemporaryDirectory(prefix="glassline-ledger-")))
                    copies = [shutil.copyfile(file, folder / file.name) for file in (path, *beside)]  # not its mode
                except OSError as failed:
                    raise InputError(f"ledger not copied ({failed.strerror}), {path}, copy its folder and read that") from None
                db = stack.enter_context(closing(_begin(copies[0], "mode=rw")))
            else:
                db = stack.enter_context(closing(_begin(path, "mode=ro&immutable=1")))
        yield db


def _begin(path: Path, how: str) -> Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True)
    db.text_factory = lambda text: text.decode(errors="replace")  # one damaged row must not hide the others
    try:
        db.execute("PRAGMA query_only=1")
        db.execute("BEGIN")
        db.execute("SELECT COUNT(*) FROM sqlite_master")
    except BaseException:
        db.close()
        raise
    return db
