"""Which processes of a line are not there, and what decision is told of them until their successors work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.link.protocol import Outbox
from pipeline.link.status import StatusReport
from pipeline.messages.states import StageState
from pipeline.supervision.child import Child


class Down(NamedTuple):
    """A process that is not there: which one of its name, why, and what tells of it."""

    generation: int
    report: StatusReport
    why: str


class WhoIsDown:
    """Those that are not there, by role and name; `tell` is called again and again."""

    def __init__(self, decision: Outbox) -> None:
        self._decision = decision
        self._down: dict[tuple[str, str], Down] = {}

    def note(self, child: Child, why: str) -> None:
        """From now on decision hears of it, also one that was started meanwhile, until the child's successor works."""
        report = StatusReport(self._decision, child.role, child.name, child.generation)
        self._down[child.role, child.name] = Down(child.generation, report, why)

    def is_known(self, child: Child, why: str) -> bool:
        """Whether it is down for that reason since before: of a camera that is away for days it is said once."""
        down = self._down.get((child.role, child.name))
        return down is not None and down.why == why

    def tell(self, children: Iterable[Child], now_ns: int) -> None:
        """Leave out whose successor works, and tell decision of all others but itself."""
        for child in children:
            down = self._down.get((child.role, child.name))
            if down is not None and child.generation > down.generation and child.ready and not child.waits:
                del self._down[child.role, child.name]
        for (role, _), down in self._down.items():
            if role != "decision":
                down.report.tell(now_ns, StageState.DOWN, down.why)
