"""A text file of records, one a line, that is never left with half a line."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from glass_core.files.whole_file import sync_folder
from pipeline.ledger.refused import not_writable

VERDICTS_FILE = "verdicts.jsonl"


class Journal:
    """A text file that only grows by whole lines: what a failed write leaves is cut off.

    One that is `shared` waits until no other program has it open, and then has it alone until it is closed.

    InputError where it cannot be opened, AbsentError where the disk does not take it now.
    """

    def __init__(self, path: Path, shared: bool = False) -> None:
        self._path = path
        self._lines: list[str] = []
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            if shared:  # before its end is looked for: another may still write there
                fcntl.flock(self._file, fcntl.LOCK_EX)
            self._end = _after_last_line(self._file, os.fstat(self._file).st_size)
            os.ftruncate(self._file, self._end)
        except OSError as e:
            raise not_writable("record", path, e) from None

    def lines_backwards(self) -> Iterator[bytes]:
        """The whole lines from the last to the first."""
        return lines_backwards(self._file, self._end)

    def add(self, line: str) -> None:
        """Take one line, written at the next flush."""
        self._lines.append(line)

    def flush(self) -> None:
        """Write all lines that wait; OSError keeps every one of them for the next try."""
        data = memoryview("".join(f"{line}\n" for line in self._lines).encode())
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._file, data[done:], self._end + done)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += done
        self._lines = []

    def sync(self) -> None:
        """Wait until all that was flushed is on the disk; OSError where it is not."""
        os.fsync(self._file)
        sync_folder(self._path.parent)

    def close(self) -> None:
        """Close the file; may be called after a failed flush."""
        os.close(self._file)


def lines_backwards(file: int, end: int) -> Iterator[bytes]:
    """The whole lines of an open file before that offset, from the last to the first."""
    end = _after_last_line(file, end)
    while end:
        start = _after_last_line(file, end - 1)
        yield os.pread(file, end - 1 - start, start)
        end = start


def _after_last_line(file: int, end: int) -> int:
    """Offset behind the last whole line before `end`; a killed writer may have left part of one."""
    while end:
        start = max(0, end - 65536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
