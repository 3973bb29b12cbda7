"""When a score comes too late: after a time, or once the cloth is at the actuator (pure but for the time handed in)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from pipeline.decision.rest import Rests
from pipeline.messages.frames import Announced
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState

RESTS = 1024
"""Rests that are remembered; time at rest before them is not taken off."""


class Due:
    """A line's actuators, and when its cloth stood: time that cloth stands brings it no nearer to one.

    A frame's time counts from its own `t_mono_ns`, whenever decision hears of it. So one that comes long after it was taken
    is late from the first. One from the future is late, too: there is one clock a machine, so its time cannot be true.
    `actuator_mm` maps a camera to the distance from the line's zero; frames of other cameras, and frames without a place,
    have only time.
    """

    def __init__(self, actuator_mm: Mapping[str, float]) -> None:
        self._actuator_mm = actuator_mm
        self._motion: Motion | None = None
        self._stopped = Rests(MotionState.STOPPED)
        self._rests: deque[tuple[int, int]] = deque(maxlen=RESTS)
        """From when to when, in ns, one after another."""

    def hear(self, motion: Motion) -> None:
        """One more word of how the cloth moves."""
        self._motion = motion
        if (rest := self._stopped.hear(motion)) is None:
            return
        from_ns, to_ns = rest
        if self._rests and self._rests[-1][1] == from_ns:
            from_ns, _ = self._rests.pop()
        self._rests.append((from_ns, to_ns))

    def over(self, frame: Announced, now_ns: int) -> bool:
        """Whether a score for the frame comes too late now."""
        if frame.budget_ms is None:
            return False
        age_ns = now_ns - frame.t_mono_ns
        if age_ns < 0:
            return True
        actuator_mm = self._actuator_mm.get(frame.camera)
        if actuator_mm is not None and frame.start_mm is not None:
            if self._furthest_mm(now_ns) >= frame.start_mm + actuator_mm:
                return True
            age_ns -= self._rested_ns(frame.t_mono_ns, now_ns)
        return age_ns > frame.budget_ms * 1e6

    def _rested_ns(self, since_ns: int, now_ns: int) -> int:
        rested_ns = 0
        for from_ns, to_ns in reversed(self._rests):
            if to_ns <= since_ns:
                break
            rested_ns += max(0, min(to_ns, now_ns) - max(from_ns, since_ns))
        return rested_ns

    def _furthest_mm(self, now_ns: int) -> float:
        """Where the cloth may have come by now, also while no word of it comes."""
        return float("-inf") if self._motion is None else max(self._motion.position_mm, self._motion.at_mm(now_ns))
