"""One process of a line: how it is started, when it hangs, when it starts again, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.messages.stages import Progress
from pipeline.supervision.builders import ROLES
from pipeline.supervision.signals import TAKE_OVER
from pipeline.supervision.spec import Spec
from pipeline.supervision.words import Words

SILENT_NS = 10_000_000_000
"""A process that reports no progress for so long hangs: no engine call takes longer, nor a step of a disk that works, nor
what a camera's driver or a PLC may keep its process waiting."""
PROMPT_SILENT_NS = 3_000_000_000
"""The same of a prompt role: its step waits for nobody and takes milliseconds. The rest is for a busy machine."""
AWAY_NS = 1_000_000_000
"""A supervisor that makes no step for so long was itself stopped, with the machine maybe: it has heard nobody meanwhile."""
STARTING_NS = 120_000_000_000
"""Loading and compiling a model may take so long."""
PREFIX = "glassline: "
"""Of every line for a person."""
STUCK_NS = 15_000_000_000
"""Work in hand and none handled for so long is a hang, too."""
RESTARTS, RESTARTS_NS = 3, 60_000_000_000
ABSENT = 75
"""Exit status of a process whose device is not there now (EX_TEMPFAIL of sysexits.h)."""
BACKOFF_NS = 250_000_000
"""Before the second restart in a minute; the first is at once."""
MAX_BACKOFF_NS = 3_000_000_000
"""What is back is at work within 5 s: the rest is for the process to start and to open it."""
ABORT_NS = 100_000_000
"""A process that hangs has so long to write where."""
REAP_S = 0.2
"""A process that was killed is gone by then, unless a driver holds it: nobody waits for that."""


@dataclass
class Child:
    """A process and what is known of it."""

    role: str
    name: str
    generation: int = -1
    process: subprocess.Popen[bytes] | None = None
    progress: Progress | None = None
    """Its last word, or that of the generation before."""
    heard_ns: int = 0
    restart_due_ns: int = 0
    was_ready: bool = False
    """In any generation."""
    was_left: bool = False
    """It was ready under the supervisor before this one: those that start after it need not wait for it again."""
    away: bool = False
    """It failed for what is beyond a cable, or not there, and has not been ready since."""
    waits: bool = False
    """It is a worker that stands by, and does nothing before it is told to take over."""
    _started_ns: int = 0
    _handled_ns: int = 0
    failures_ns: deque[int] = field(default_factory=deque)
    """Those of the last minute; that something beyond it was not there is none of them."""
    absences_ns: deque[int] = field(default_factory=deque)
    """The same of what was away."""
    _said: Words | None = None
    _last_line: str = ""
    _aborted_ns: int | None = None

    @property
    def ready(self) -> bool:
        """It runs and has said so."""
        return self.process is not None and self.progress is not None and self.progress.generation == self.generation

    @property
    def awaited(self) -> bool:
        """Those that start after it need it first: it was never ready, and nothing is known to be away."""
        return not (self.was_ready or self.away)

    def start(self, spec: Spec, now_ns: int) -> None:
        """Run the next generation, the one that the spec is of."""
        self.generation, self.waits = spec.generation, spec.standby
        # Of this generation alone: the one before it may be a standby that has not read its own yet.
        path = spec.folder / f"{self.role}-{self.name}-{self.generation}.json"
        path.write_text(spec.model_dump_json(), encoding="utf-8")
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops all in order.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.supervision.process", str(path)],
            env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self._said, self._last_line = Words(self.process.stdout), ""
        self._started_ns = self.heard_ns = self._handled_ns = now_ns
        self._aborted_ns = None

    def words(self) -> list[str]:
        """Lines that it has printed since the last call."""
        return self._noted(self._said.lines() if self._said else [])

    def last_words(self) -> list[str]:
        """What it has still printed, now that it has ended."""
        said, self._said = self._said, None
        return self._noted(said.last() if said else [])

    def _noted(self, lines: list[str]) -> list[str]:
        self._last_line = lines[-1] if lines else self._last_line
        return lines

    def why(self, status: int) -> str:
        """Why it ended, in its own words where it had any: an error for a person is the last line that a process prints."""
        told = self._last_line.removeprefix(PREFIX)
        return told if status > 0 and told != self._last_line else f"ended with status {status}"

    def hears(self, progress: Progress, now_ns: int) -> bool:
        """Take a word of progress; whether it is of this process, and not of one before it."""
        if (progress.name, progress.generation) != (self.name, self.generation):
            return False
        if self.progress is None or progress.handled != self.progress.handled or not progress.waiting:
            self._handled_ns = now_ns
        self.progress, self.heard_ns = progress, now_ns
        return True

    def hangs(self, now_ns: int) -> str:
        """How it hangs; empty while it does not."""
        if not self.ready:
            return "does not get ready" if now_ns - self._started_ns > STARTING_NS else ""
        if now_ns - self.heard_ns > (PROMPT_SILENT_NS if ROLES[self.role].prompt else SILENT_NS):
            return "reports no progress"
        return "has work and does none" if now_ns - self._handled_ns > STUCK_NS else ""

    def spare(self, now_ns: int) -> None:
        """Nobody has listened to it until now: its silence begins anew."""
        self.heard_ns = self._handled_ns = now_ns

    def take_over(self) -> None:
        """Let a worker that stands by begin; it must be ready to hear it."""
        assert self.process is not None
        self.process.send_signal(TAKE_OVER)
        self.waits = False

    def kill(self, now_ns: int) -> bool:
        """End it by force, at the first call with a word of where it hangs; whether this was the first.

        To be called again until it has ended: nobody waits for it here.
        """
        assert self.process is not None
        first = self._aborted_ns is None
        if self._aborted_ns is None:
            self._aborted_ns = now_ns
            self.process.send_signal(signal.SIGABRT)  # faulthandler writes where it hangs
        elif now_ns - self._aborted_ns >= ABORT_NS:
            self.process.kill()
        return first

    def failed(self, now_ns: int, status: int | None = None) -> int | None:
        """It is down, and starts again: the first time at once, and then each time later.

        Returns how often it failed in a minute, where that is too often: what is away may be so for any time.
        """
        self.process, self.away = None, ROLES[self.role].beyond_cable or status == ABSENT
        alike_ns = self.absences_ns if self.away else self.failures_ns
        alike_ns.append(now_ns)
        while now_ns - alike_ns[0] > RESTARTS_NS:
            alike_ns.popleft()
        tries = len(alike_ns)
        self.restart_due_ns = now_ns + (min(BACKOFF_NS * 2 ** (tries - 2), MAX_BACKOFF_NS) if tries > 1 else 0)
        return tries if tries > RESTARTS and not self.away else None


def environment() -> dict[str, str]:
    """In which a process of the line finds this program."""
    home = str(Path(__file__).parents[2])
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))}
    found.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads would starve the other processes
    return found


def terminate(children: list[Child], until_s: float, meanwhile: Callable[[], None]) -> None:
    """End them together, by force where they are not gone at that time.

    `meanwhile` reads what they print, again and again: a process whose pipe is full waits for a reader and cannot end.
    """
    alive = [c.process for c in children if c.process is not None]

    def wait(end_s: float) -> None:
        while any(process.poll() is None for process in alive) and time.monotonic() < end_s:
            meanwhile()
            time.sleep(0.01)

    for process in alive:
        process.terminate()
    wait(max(until_s, time.monotonic() + 0.05))
    for process in alive:
        process.kill()  # those that have ended are left alone
    wait(time.monotonic() + REAP_S)
    for child in children:
        child.process = None
