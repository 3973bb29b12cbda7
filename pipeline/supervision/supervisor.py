"""Starts the processes of a line in order, watches their progress, restarts what fails, and stops all in reverse order."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.decision.handover import Heard
from pipeline.link.zmq_link import ZmqLink, make_private
from pipeline.messages.cloth import MarkEvent, RollStart
from pipeline.messages.frames import Acknowledge, Bypass, Message, Progress, Reset, StageState, Status
from pipeline.supervision.builders import ROLES
from pipeline.supervision.spec import Spec

SILENT_NS = 10_000_000_000
"""A process that reports no progress for so long hangs; a longer single engine call does not exist."""
STARTING_NS = 120_000_000_000
"""Loading and compiling a model may take so long."""
STUCK_NS = 15_000_000_000
"""Work in hand and none handled for so long is a hang, too."""
RESTARTS, RESTARTS_NS = 3, 60_000_000_000
BACKOFF_NS = 250_000_000
BACKOFF_MOST_NS = 8_000_000_000
STOP_S = 2.5
"""From the request to the last process: what has not stopped by then is killed."""


class LineFailed(Exception):
    """The line cannot go on; `code` is the exit status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Child:
    """A process and what is known of it."""

    role: str
    name: str
    generation: int = -1
    process: subprocess.Popen[bytes] | None = None
    started_ns: int = 0
    heard_ns: int = 0
    handled_ns: int = 0
    progress: Progress | None = None
    restarts_ns: deque[int] = field(default_factory=deque)
    restart_due_ns: int | None = None
    was_ready: bool = False
    asked: bool = False
    """To begin anew with decision: its end is no failure."""

    @property
    def ready(self) -> bool:
        """It runs and has said so."""
        return self.process is not None and self.progress is not None and self.progress.generation == self.generation


def runtime_folder(name: str) -> Path:
    """Where a line of that name keeps its sockets: private to the user."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base) / f"glassline-{os.getuid()}-{name}"


def is_running(name: str) -> bool:
    """Whether a line of that name runs here."""
    try:
        with (runtime_folder(name) / "lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


class Supervisor:
    """One line; used as a context manager, `step` called again and again.

    A worker that is measured slower than `needed_tiles_per_s` as the line starts refuses it.
    """

    def __init__(self, config: LineConfig, observe: bool = False, needed_tiles_per_s: float = 0.0) -> None:
        self._config, self._observe, self._needed_tiles_per_s = config, observe, needed_tiles_per_s
        self.folder = runtime_folder(config.line.name)
        self._children = [Child(role, name) for role, row in ROLES.items() for name in row.names(config)]
        self._lock: IO[str] | None = None
        self._link: ZmqLink | None = None
        self._untold: deque[Message] = deque()
        self._bypass = False
        self._heard = Heard()

    def __enter__(self) -> Supervisor:
        self._lock = self._take_lock()
        for stale in self.folder.iterdir():
            if stale.name != "lock":
                stale.unlink(missing_ok=True)
        self._link = ZmqLink(self.folder)
        self._inbox = self._link.inbox("supervisor")
        self._decision = self._link.outbox("decision")
        self.events = self._link.subscribe(self._config.publisher.bind)
        """What the line publishes."""
        self._published = self._link.subscribe(self._config.publisher.bind, "Roll", "LineState", "Action")
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            self.stop()
        finally:
            if self._link is not None:
                self._link.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            if self._lock is not None:
                self._lock.close()

    def _take_lock(self) -> IO[str]:
        make_private(self.folder)  # before anything in it is opened, emptied or removed
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            pid = lock.read().strip()
            lock.close()
            name = self._config.line.name
            raise InputError(f"line already runs (process {pid}), {name}, stop it or choose another line.name") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    @property
    def progress(self) -> dict[str, Progress]:
        """The last word of each process, by name."""
        return {c.name: c.progress for c in self._children if c.progress}

    @property
    def ready(self) -> bool:
        """Every process has been started and has reported."""
        return all(c.ready for c in self._children)

    @property
    def ended(self) -> bool:
        """Every camera's source is at its end and all is decided and recorded."""
        decision = next(c for c in self._children if c.role == "decision")
        return decision.ready and decision.progress is not None and decision.progress.state is StageState.ENDED

    def bypass(self, on: bool) -> None:
        """The operator sets rejects aside, or takes that back; may be called from a signal handler: `step` tells it."""
        self._bypass = on
        self._untold.append(Bypass(on=on))

    def step(self) -> None:
        """Hear progress, start the next process, see to those that died or hang; LineFailed when it cannot go on."""
        assert self._link is not None
        now_ns = time.monotonic_ns()
        self._hear(now_ns)
        while self._untold and self._decision.send(self._untold[0]):
            self._untold.popleft()
        for child in self._children:
            if child.process is None:
                if child.restart_due_ns is None or now_ns >= child.restart_due_ns:
                    self._start(child, now_ns)
            elif (code := child.process.poll()) is not None:
                self._died(child, code, now_ns)
            elif hang := self._hangs(child, now_ns):
                self._kill(child, hang)
            child.was_ready |= child.ready
            if not child.was_ready:
                break  # those that come later need it
        self._link.wait(50)

    def _hear(self, now_ns: int) -> None:
        while received := self._inbox.receive():
            progress = received[0]
            if isinstance(progress, Bypass):
                self.bypass(progress.on)
            elif isinstance(progress, RollStart | MarkEvent | Acknowledge | Reset):
                self._untold.append(progress)
            for child in self._children:
                if isinstance(progress, Progress) and progress.name == child.name and progress.generation == child.generation:
                    if child.progress is None or progress.handled != child.progress.handled or not progress.waiting:
                        child.handled_ns = now_ns
                    child.progress, child.heard_ns = progress, now_ns

        while received := self._published.receive():
            self._heard.hear(received[0])

    def _start(self, child: Child, now_ns: int) -> None:
        resume = dict(child.progress.counters) if child.progress else {}
        child.generation += 1
        spec = Spec(
            role=child.role, name=child.name, generation=child.generation, folder=self.folder,
            supervisor_pid=os.getpid(), config=self._config, observe=self._observe, resume=resume,
            before=self._heard.handover(self._bypass), needed_tiles_per_s=self._needed_tiles_per_s,
        )  # fmt: skip
        path = self.folder / f"{child.role}-{child.name}.json"
        path.write_text(spec.model_dump_json(), encoding="utf-8")
        home = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))}
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads would starve the other processes
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops all in order.
        child.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.supervision.process", str(path)],
            env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        child.started_ns = child.heard_ns = child.handled_ns = now_ns
        child.restart_due_ns = None

    def _hangs(self, child: Child, now_ns: int) -> str:
        if not child.ready:
            return "does not get ready" if now_ns - child.started_ns > STARTING_NS else ""
        if now_ns - child.heard_ns > SILENT_NS:
            return "reports no progress"
        return "has work and does none" if now_ns - child.handled_ns > STUCK_NS else ""

    def _kill(self, child: Child, why: str) -> None:
        assert child.process is not None
        print(f"glassline: {child.name} {why}, killed and started again", file=sys.stderr, flush=True)
        child.process.send_signal(signal.SIGABRT)  # faulthandler writes where it hangs
        time.sleep(0.1)
        child.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # a process inside a driver may take its time: the line goes on
            child.process.wait(1)

    def _died(self, child: Child, code: int, now_ns: int) -> None:
        child.process = None
        if not child.was_ready and code in (2, 3):
            raise LineFailed("", code)  # it has said why
        detail = f"ended with status {code}"
        if child.asked:
            child.asked, child.restart_due_ns = False, now_ns
            return
        child.restarts_ns.append(now_ns)
        while child.restarts_ns and now_ns - child.restarts_ns[0] > RESTARTS_NS:
            child.restarts_ns.popleft()
        tries = len(child.restarts_ns)
        failed = tries > RESTARTS and not ROLES[child.role].beyond_cable
        self._tell(child, StageState.FAULT if failed else StageState.DOWN, detail)
        if failed:
            raise LineFailed(f"{child.name} failed {tries} times in a minute, {detail}, see the lines above", 1)
        print(f"glassline: {child.name} {detail}, starting it again", file=sys.stderr, flush=True)
        child.restart_due_ns = now_ns + min(BACKOFF_NS * 2 ** (tries - 1), BACKOFF_MOST_NS)
        if child.role == "decision":  # everybody's partner: all begin anew and repeat who they are
            for other in self._children:
                if other.process is not None:
                    other.asked = True
                    other.process.terminate()

    def _tell(self, child: Child, state: StageState, detail: str) -> None:
        status = Status(role=child.role, name=child.name, generation=child.generation, state=state, detail=detail)
        self._decision.send(status)

    def stop(self) -> None:
        """Reverse order: sources first, then what is in hand is decided and recorded; nothing outlives STOP_S."""
        end_s = time.monotonic() + STOP_S
        sources = [c for c in self._children if ROLES[c.role].source]
        self._terminate(sources, end_s - 1.5)
        decision = next(c for c in self._children if c.role == "decision")
        seen_ns = time.monotonic_ns()
        while decision.process is not None and decision.process.poll() is None and time.monotonic() < end_s - 1.2:
            self._hear(time.monotonic_ns())
            if decision.heard_ns > seen_ns and decision.progress is not None and not decision.progress.waiting:
                break
            time.sleep(0.02)
        for role in reversed(ROLES):
            last_s = end_s if role == "recorder" else end_s - 0.5
            self._terminate([c for c in self._children if c.role == role], last_s)

    def _terminate(self, children: list[Child], until_s: float) -> None:
        alive = [c.process for c in children if c.process is not None]
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in alive:
            try:
                process.wait(max(0.05, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        for child in children:
            child.process = None
