"""The folder of a line's sockets: every session and service of one user finds the same one.

A line that runs is where its lock is held. One that starts takes the first of these that is there and this user's own:

1. `/run/glassline/NAME`, which systemd makes for the line's unit (`glassline service`) and removes with it;
2. `glassline-UID-NAME` in `$XDG_RUNTIME_DIR`, where that is set;
3. the same in `/run/user/UID`, for a session without that variable, as of cron or sudo;
4. the same in `/tmp`. It is not `$TMPDIR`, which sessions set as they like.

All four are looked through for the lock: a user who logs in later has a `/run/user/UID` that was not there when the line
began. Only a line whose XDG_RUNTIME_DIR is none of the usual ones needs the same setting to be found.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from glass_core.files.lock_files import is_locked

SERVICES, SESSIONS, TEMPORARY = Path("/run/glassline"), Path("/run/user"), Path("/tmp")
LOCK = "lock"


def runtime_folder(name: str) -> Path:
    """Where a line of that name keeps its sockets, or would keep them: private to the user."""
    places = [*_places(name)]
    return next(filter(_is_locked, places), places[0])


def is_running(name: str) -> bool:
    """Whether this user runs a line of that name here."""
    return any(map(_is_locked, _places(name)))


class Start(NamedTuple):
    """A start of a line: no other has the same, whatever its process is called."""

    lock: int
    at_ns: int
    """UTC."""


def start_of(name: str) -> Start | None:
    """Which start of the line of that name runs; null: none does."""
    for place in filter(_is_locked, _places(name)):
        with suppress(OSError):  # it ended just now
            lock = (place / LOCK).stat()
            return Start(lock.st_ino, lock.st_mtime_ns)
    return None


def _places(name: str) -> Iterator[Path]:
    """In the order of preference; the last can always be tried."""
    if _is_own(SERVICES / name):
        yield SERVICES / name
    told = os.environ.get("XDG_RUNTIME_DIR")
    bases = [Path(told)] if told else []
    for base in (*bases, SESSIONS / str(os.getuid())):
        if _is_own(base):  # sudo may leave the variable of somebody else
            yield base / f"glassline-{os.getuid()}-{name}"
    yield TEMPORARY / f"glassline-{os.getuid()}-{name}"


def _is_own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _is_locked(folder: Path) -> bool:
    """Whether a line runs there; a stranger's folder in /tmp says nothing of our lines."""
    return _is_own(folder) and is_locked(folder / LOCK)
