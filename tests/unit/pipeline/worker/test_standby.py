"""A worker that stands by is none until it is told, and then it is that worker."""

from __future__ import annotations

from pipeline.messages.states import StageState
from pipeline.worker.standby import Standby


class Begun:
    """The worker that it becomes."""

    def __init__(self) -> None:
        self.state, self.handled, self.waiting, self.counters = StageState.READY, 0, 3, {"too_late": 2}
        self.steps: list[int] = []
        self.glimpses = ["one"]
        self.closed = False

    def step(self, now_ns: int) -> bool:
        self.steps.append(now_ns)
        self.state, self.handled = StageState.FAULT, self.handled + 2
        return True

    def glimpse(self) -> str | None:
        return self.glimpses.pop() if self.glimpses else None

    def close(self) -> None:
        self.closed = True


def test_it_waits_and_then_works() -> None:
    told, begun = list[int](), list[Begun]()

    def begin() -> Begun:
        begun.append(Begun())
        return begun[-1]

    standby = Standby(begin, lambda: bool(told))
    assert [standby.step(n) for n in range(3)] == [False] * 3 and not begun
    assert (standby.state, standby.handled, standby.waiting, standby.counters) == (StageState.READY, 0, 0, {})
    assert standby.glimpse() is None
    told.append(1)
    assert standby.step(3) and standby.step(4)
    (worker,) = begun  # one, made when it was told
    assert worker.steps == [3, 4] and [standby.glimpse(), standby.glimpse()] == ["one", None]
    assert (standby.state, standby.handled, standby.waiting, standby.counters) == (StageState.FAULT, 4, 3, {"too_late": 2})
    standby.close()
    assert worker.closed


def test_one_that_was_never_told_closes_nothing() -> None:
    Standby(Begun, lambda: False).close()
