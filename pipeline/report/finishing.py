"""The stage that sees rolls finish, and has their documents made by a program of its own, beside the line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from pipeline.config.line import LineConfig
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.cloth import Roll
from pipeline.messages.message import Message
from pipeline.messages.states import StageState
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.passing import MAX_WAIT_NS, SETTLE_NS, Passing
from pipeline.report.document import Order

BEGIN_NS = 2_000_000_000
RETRY_NS = 60_000_000_000


class Finishing:
    """Hears Roll and Verdict. Documents are looked for as it begins, when a roll's end has passed every camera, and a minute
    after an end that has not. What cannot be made makes the line DEGRADED, and is tried again each minute."""

    idle_ms = 100

    def __init__(
        self, heard: Inbox, decision: Outbox, config: LineConfig, generation: int, utc_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._heard, self._config, self._utc_ns = heard, config, utc_ns
        self._status = StatusReport(decision, "rolls", "rolls", generation)
        self._passing = Passing(c.name for c in config.cameras)
        self._ends_mm: list[float] = []
        """Where rolls were told to begin or end, and not every camera has got to yet."""
        self._due_ns: list[int] = []
        self._begun = False
        self._program: subprocess.Popen[bytes] | None = None
        self._trouble = ""
        self.state = StageState.READY
        self.handled = 0
        self.waiting = 0

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {"looked": self.handled, **self._heard.refused.counters}

    def step(self, now_ns: int) -> bool:
        """Hear; begin to look where it is due; see what became of it."""
        moved = False
        for message, _ in portion(self._heard):
            self._hear(message, now_ns)
            moved = True
        if not self._begun:
            self._begun = True
            self._due_ns.append(now_ns + BEGIN_NS)
        if self._program is not None:
            self._see(now_ns)
        elif self._due_ns and now_ns >= min(self._due_ns):
            self._due_ns = [due for due in self._due_ns if due > now_ns]
            self._look()
        self._status.tell(now_ns, StageState.DEGRADED if self._trouble else StageState.READY, self._trouble)
        return moved

    def close(self) -> None:
        """What was begun is looked for again when the line runs again."""
        if self._program is not None:
            self._program.kill()
            self._program.communicate()

    def _hear(self, message: Message, now_ns: int) -> None:
        match message:
            case Roll():
                self._due_ns.append(now_ns + MAX_WAIT_NS + SETTLE_NS)
                if message.start_mm is not None:
                    self._ends_mm.append(message.start_mm)
            case Verdict():
                self._passing.see(message)
                ahead_mm = [end for end in self._ends_mm if not self._passing.has_passed(end)]
                if len(ahead_mm) < len(self._ends_mm):
                    self._ends_mm = ahead_mm
                    self._due_ns.append(now_ns + SETTLE_NS)

    def _look(self) -> None:
        order = Order(config=self._config, passed_mm=self._passing.by_camera_mm, now_utc_ns=self._utc_ns())
        self._program = subprocess.Popen(
            [sys.executable, "-m", "pipeline.report.document"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._program.stdin is not None
        try:
            self._program.stdin.write(order.model_dump_json().encode())  # a pipe holds it
            self._program.stdin.close()
        except OSError:
            pass  # it has ended, and is seen to have
        self._program.stdin = None

    def _see(self, now_ns: int) -> None:
        assert self._program is not None
        if self._program.poll() is None:
            return
        said = self._program.communicate()[1].decode(errors="replace").strip().splitlines()
        failed, self._program = self._program.returncode != 0, None
        self.handled += 1
        self._trouble = f"documents of rolls: {said[-1].removeprefix('glassline: ') if said else 'not made'}" if failed else ""
        if failed:
            self._due_ns.append(now_ns + RETRY_NS)


def make_finishing(heard: Inbox, decision: Outbox, config: LineConfig, generation: int) -> Finishing:
    """The stage of a line whose outputs want documents."""
    return Finishing(heard, decision, config, generation)
