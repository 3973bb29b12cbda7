"""How long a line runs that was given so many seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping

from pipeline.messages.stages import Progress
from pipeline.supervision.notifying import ServiceManager
from pipeline.supervision.running import _watch
from pipeline.supervision.supervisor import Supervisor
from pipeline.supervision.watching import Unwatched, Watched
from tests.fakes import Box


class WithoutCamera(Supervisor):
    """It is up after two steps, and its camera never comes."""

    ended = ready = False

    def __init__(self) -> None:
        self.events, self.steps = Box(), 0  # type: ignore[assignment]

    @property
    def up(self) -> bool:
        return self.steps >= 2

    @property
    def at_work(self) -> Mapping[str, Progress]:  # type: ignore[override]
        return {}

    progress = at_work  # type: ignore[assignment]

    def step(self) -> None:
        self.steps += 1


def test_its_seconds_run_from_when_it_is_up_whether_or_not_a_camera_is_there() -> None:
    line, end_s = WithoutCamera(), time.monotonic() + 5
    with Watched(Unwatched()) as watched:
        _watch(line, watched, ServiceManager({}), lambda: time.monotonic() > end_s, frames=None, seconds=0)
    assert line.steps == 2
