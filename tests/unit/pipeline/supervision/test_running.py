"""How long a line runs that was given so many seconds, verdicts or metres."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import pytest

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.messages.stages import Progress
from pipeline.supervision.notifying import ServiceManager
from pipeline.supervision.running import Limits, _watch
from pipeline.supervision.supervisor import Supervisor
from pipeline.supervision.watching import Unwatched, Watched
from tests.fakes import Box, totals


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
        _watch(line, watched, ServiceManager({}), lambda: time.monotonic() > end_s, Limits(seconds=0))
    assert line.steps == 2


def test_cloth_counts_whether_or_not_it_was_inspected() -> None:
    limits = Limits(metres=2.5)
    assert not limits.reached(totals(inspected_m=2.0, not_inspected_m=0.4, verdicts=10**6))
    assert limits.reached(totals(inspected_m=0.5, not_inspected_m=2.0))
    assert not Limits(frames=3).reached(totals(inspected_m=900.0, not_inspected_m=900.0, verdicts=2))
    assert Limits(frames=3).reached(totals(verdicts=3))


@pytest.mark.parametrize(
    ("metres", "second", "said"),
    [(0, 0.2, "above 0"), (float("nan"), 0.2, "above 0"), (math.inf, 0.2, "above 0"), (5, None, "camera b")],
)
def test_metres_that_can_never_be_reached_are_refused(metres: float, second: float | None, said: str) -> None:
    cameras = [{"name": name, "source": "weave", "mm_per_px_y": mm} for name, mm in (("a", 0.2), ("b", second))]
    config = LineConfig.model_validate({"cameras": cameras})
    with pytest.raises(InputError, match=said):
        Limits(metres=metres).check(config)
    Limits(seconds=1).check(config)
