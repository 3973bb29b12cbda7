"""A worker that waits, its engine loaded and proven, until it is told to take the place of the one that works."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.link.stage import Stage
from pipeline.messages.states import StageState
from pipeline.telemetry import Trail


class Standby:
    """The stage: idle until `takes_over`, and from then on the worker that `begin` makes.

    The worker's inbox belongs to that worker and is opened by `begin`, so that two never take frames. Whoever says
    `takes_over` has seen that the other one's process has ended.
    """

    def __init__(self, begin: Callable[[], Stage], takes_over: Callable[[], bool]) -> None:
        self._begin, self._takes_over = begin, takes_over
        self._worker: Stage | None = None
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Frames in hand."""
        return self._worker.waiting if self._worker else 0

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return getattr(self._worker, "counters", {})

    @property
    def trail(self) -> Trail | None:
        """When frames passed the worker."""
        return getattr(self._worker, "trail", None)

    def glimpse(self) -> object:
        """What the worker shows."""
        return getattr(self._worker, "glimpse", lambda: None)()

    def step(self, now_ns: int) -> bool:
        """Nothing, or what the worker does."""
        if self._worker is None and self._takes_over():
            self._worker = self._begin()
        if self._worker is None:
            return False
        moved = self._worker.step(now_ns)
        self.state, self.handled = self._worker.state, self._worker.handled
        return moved

    def close(self) -> None:
        """The engine goes with the process."""
        if self._worker:
            self._worker.close()
