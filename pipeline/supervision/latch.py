"""The latched fault of a line, in `fault.json` beside its ledger: it outlasts the line, its folders in /run and the machine.

Nothing but a reset removes it. A process of its own writes it, see `latch_writer`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.config.line import LineConfig
from pipeline.supervision.child import environment

FILE = "fault.json"
AGAIN_NS = 10_000_000_000
"""After so long a disk that refused is tried again."""
LEAVE_S = 2.0
"""A line that ends waits so long for the disk; then its writer is left alone with it."""


class Latched(BaseModel):
    """What the file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    fault: str
    since: str = Field(default_factory=lambda: datetime.now(UTC).isoformat())


def read_latched(path: Path) -> str:
    """The fault that is latched there; empty: none. A file that cannot be read latches a fault as well, and so does a link."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # a named pipe would be waited for
        with os.fdopen(handle, "rb") as file:
            return Latched.model_validate_json(file.read() or b"").fault
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValidationError):
        return f"a fault was latched, and {path} does not say which"


class Latch:
    """The supervisor's hand on the file; `keep` is called again and again, and never waits."""

    def __init__(self, config: LineConfig, say: Callable[[str], None]) -> None:
        self._line, self._path, self._say = config.line.name, config.ledger.path.parent / FILE, say
        self.fault = read_latched(self._path)
        """What the file says, as it was read or last written; empty: it is not there."""
        self._asked, self._refused = "", False
        """What a writer was told, and whether the last failed: it may have got further than it could say."""
        self._due_ns = 0
        self._writer: subprocess.Popen[bytes] | None = None

    def keep(self, fault: str, now_ns: int) -> None:
        """This fault is latched; empty: somebody has reset it."""
        self._look(now_ns)
        if self._writer is None and (self._refused or fault != self.fault) and now_ns >= self._due_ns:
            self._begin(fault, now_ns)

    def leave(self, fault: str = "") -> None:
        """The line ends, with that fault latched where there is one: wait for the disk, but not long."""
        end_s = time.monotonic() + LEAVE_S
        while time.monotonic() < end_s:
            self._look(time.monotonic_ns())
            if fault:
                self.keep(fault, time.monotonic_ns())
            if self._writer is None:
                return
            time.sleep(0.01)

    def _begin(self, fault: str, now_ns: int) -> None:
        self._asked = fault
        told = [Latched(line=self._line, fault=fault).model_dump_json()] if fault else []
        command = [sys.executable, "-m", "pipeline.supervision.latch_writer", str(self._path), *told]
        try:
            self._writer = subprocess.Popen(
                command, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except OSError as e:  # no memory, no more processes or files
            self._refuse(e.strerror, now_ns)

    def _look(self, now_ns: int) -> None:
        """Whether the writer has ended, and how."""
        if self._writer is None or (code := self._writer.poll()) is None:
            return
        self._writer = None
        if code == 0:
            self.fault, self._refused = self._asked, False
        else:
            self._refuse(os.strerror(code) if code > 0 else "the disk is slow", now_ns)

    def _refuse(self, why: str | None, now_ns: int) -> None:
        self._due_ns = now_ns + AGAIN_NS
        if not self._refused:  # once for all tries
            done = "kept for the next start" if self._asked else "taken back for the next start"
            self._say(f"glassline: the latched fault is not {done} ({why}), {self._path}, make the folder writable")
        self._refused = True
