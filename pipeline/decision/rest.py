"""Finds from the words of motion when the cloth did not run (pure)."""

from __future__ import annotations

from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState

REST_NS = 100_000_000
"""Cloth rests from a word of rest to the next word, where that is no further off: motion is told fifty times a second."""


class Rests:
    """One rest after another, in the order of time; `states`: those in which the cloth rests."""

    def __init__(self, *states: MotionState) -> None:
        self._states = states
        self._before: Motion | None = None
        self._told_ns = 0

    def hear(self, motion: Motion) -> tuple[int, int] | None:
        """From when to when, in ns, the cloth rested since the word before; no time is told twice, whatever words come."""
        before, self._before = self._before, motion
        if before is None or before.state not in self._states or motion.t_mono_ns - before.t_mono_ns > REST_NS:
            return None
        from_ns, to_ns = max(before.t_mono_ns, self._told_ns), motion.t_mono_ns
        if to_ns <= from_ns:
            return None
        self._told_ns = to_ns
        return from_ns, to_ns
