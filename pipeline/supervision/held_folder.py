"""The folder of a line's sockets as long as the line runs: held by a lock on a file in it, so that it is one line's alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from glass_core.errors import InputError
from glass_core.files.lock_files import take_lock
from pipeline.link.zmq_link import make_private
from pipeline.supervision.runtime_folder import LOCK


class HeldFolder:
    """The folder at `path` of the line called `name`, held from here on.

    Raises InputError where such a line runs already, or where the folder is not this user's own.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        make_private(self.path)  # before anything in it is opened, emptied or removed
        with self._usable():
            self._lock = self._take_lock(name)
            if not self.is_ours:  # the line before removed it just now, and a third may have made it anew
                self._lock.close()
                raise InputError(f"another line of that name starts or ends, {self.path}, start the line again")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise InputError(f"socket folder not usable ({e.strerror}), {self.path}, remove it or make room there") from None

    def _take_lock(self, name: str) -> IO[str]:
        lock = (self.path / LOCK).open("a+")
        if not take_lock(lock.fileno()):
            lock.seek(0)
            pid = lock.read().strip()
            lock.close()
            raise InputError(f"line already runs (process {pid}), {name}, stop it or choose another line.name")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def empty(self, keep: str) -> None:
        """Remove what a line that was killed has left, but for the file of that name."""
        with self._usable():
            for stale in self.path.iterdir():
                if stale.name not in (LOCK, keep):
                    stale.unlink(missing_ok=True)

    @property
    def is_ours(self) -> bool:
        """Whether it is still the one that was made: whoever is started finds the others only there."""
        try:
            return os.path.samestat((self.path / LOCK).stat(), os.fstat(self._lock.fileno()))
        except OSError:
            return False

    def let_go(self, keep: str | None = None) -> None:
        """Remove it, or all but that file, and let go; one that another line has made in its place stays."""
        if self.is_ours and keep is None:
            shutil.rmtree(self.path, ignore_errors=True)
        elif self.is_ours and keep is not None:
            with suppress(InputError):  # the next line says so
                self.empty(keep)
        self._lock.close()
