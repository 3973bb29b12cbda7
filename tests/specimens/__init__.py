"""Small files of every schema that is read: a record as SQL, the rest as they lie on a disk.

`python -m tests.specimens` adds those of the present schemas that are not here yet. What is here is never made anew: it must
stay readable. `record-1.sql` was written by the program that had schema 1.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

FOLDER = Path(__file__).parent


def build_record(schema: int, path: Path) -> Path:
    """Make the ledger of a record's SQL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript((FOLDER / f"record-{schema}.sql").read_text(encoding="utf-8"))
    return path
