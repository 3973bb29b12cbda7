"""Why a record cannot be written: what a person must mend first, or a disk that may take it again at any time."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from glass_core.errors import AbsentError, InputError

DISK_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
"""Primary result codes of a disk that is full or fails, or of a foreign program that holds the file.

SQLite names a full disk FULL, and IOERR where it cannot lengthen the file of its WAL's index:
https://www.sqlite.org/rescode.html.
"""
DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


def not_writable(what: str, path: Path, error: OSError | sqlite3.Error, mend: str = "choose another ledger.path") -> InputError:
    """The error to raise for a file of the record: AbsentError, which a line that starts waits for, where the disk refuses.

    Anything else, such as a folder that nobody may write, stays as it is until a person does what `mend` says.
    """
    why = (error.strerror if isinstance(error, OSError) else None) or error
    if isinstance(error, OSError):
        waits = error.errno in DISK_ERRNOS
    else:
        waits = getattr(error, "sqlite_errorcode", 0) & 0xFF in DISK_CODES
    if waits:
        return AbsentError(f"{what} not writable ({why}), {path}, make room on the disk")
    return InputError(f"{what} not writable ({why}), {path}, {mend}")
