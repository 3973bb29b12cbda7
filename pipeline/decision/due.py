"""When a verdict is due: after a time, or before the cloth is at the actuator (pure but for the time handed in)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.messages.frames import Announced
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState

AHEAD_NS = 100_000_000
"""The cloth's position is carried on for so long after the last word of it."""


@dataclass(frozen=True)
class Deadline:
    """Whichever comes first."""

    clock_ns: float
    cloth_mm: float
    """The cloth's position at which the frame's first row is at the actuator."""
    by_cloth: bool


class Due:
    """The clock of a line and its actuators: time that cloth stands brings it no nearer to one.

    `actuator_mm` maps a camera to the distance from the line's zero; frames of other
    cameras, and frames without a place, have only time.
    """

    def __init__(self, actuator_mm: Mapping[str, float]) -> None:
        self._actuator_mm = actuator_mm
        self._motion: Motion | None = None
        self._now_ns = 0
        self._rested_ns = 0

    def step(self, now_ns: int, motion: Motion | None) -> None:
        """Time goes on; `motion` is the last word of it."""
        if motion is not None and motion.state is MotionState.STOPPED:
            self._rested_ns += now_ns - self._now_ns
        self._now_ns, self._motion = now_ns, motion

    def deadline(self, frame: Announced) -> Deadline:
        """Of a frame that is announced now."""
        budget_ns = math.inf if frame.budget_ms is None else frame.budget_ms * 1e6
        actuator_mm = self._actuator_mm.get(frame.camera)
        if actuator_mm is None or frame.start_mm is None or frame.budget_ms is None:
            return Deadline(self._now_ns + budget_ns, math.inf, False)
        return Deadline(self._now_ns - self._rested_ns + budget_ns, frame.start_mm + actuator_mm, True)

    def over(self, deadline: Deadline) -> bool:
        """Whether it has passed."""
        if not deadline.by_cloth:
            return self._now_ns > deadline.clock_ns
        return self._now_ns - self._rested_ns > deadline.clock_ns or self._here_mm >= deadline.cloth_mm

    @property
    def _here_mm(self) -> float:
        if self._motion is None:
            return -math.inf
        ahead_ns = min(max(0, self._now_ns - self._motion.t_mono_ns), AHEAD_NS)
        return self._motion.position_mm + self._motion.speed_mm_s * ahead_ns / 1e9
