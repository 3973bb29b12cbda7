"""What a process of the line prints, line by line, without ever waiting for it."""

from __future__ import annotations

import os
from typing import IO

MAX_LINE_BYTES = 1 << 16
MAX_READ_BYTES = 1 << 20
"""At once: a process that prints without end holds up nobody but itself."""


class Words:
    """The reading end of a process's pipe."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        os.set_blocking(pipe.fileno(), False)
        self._rest = b""

    def lines(self) -> list[str]:
        """The whole lines that have come since the last call."""
        read = b""
        while len(read) < MAX_READ_BYTES and (part := self._read()):
            read += part
        *whole, self._rest = (self._rest + read).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            whole, self._rest = [*whole, self._rest], b""
        return [line.decode(errors="replace") for line in whole]

    def last(self) -> list[str]:
        """All that it left when it ended, a line that it did not finish, too."""
        found = self.lines() + ([self._rest.decode(errors="replace")] if self._rest else [])
        self._rest = b""
        self._pipe.close()
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._pipe.fileno(), MAX_LINE_BYTES)
        except BlockingIOError:  # it says nothing now
            return b""
