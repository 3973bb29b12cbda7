"""Where the cloth is: position and speed, and the counts of an encoder that they come from."""

from __future__ import annotations

from pipeline.messages.domains import Count, Int64, LineMm, NoName, SpeedMmS
from pipeline.messages.message import Message
from pipeline.messages.states import MotionState

CARRIED_NS = 60_000_000_000
"""Motion is told fifty times a second; what is asked of a time so far from its word is no place."""


class Motion(Message):
    """Where the cloth is, independent of cameras."""

    position_mm: LineMm
    speed_mm_s: SpeedMmS
    state: MotionState
    source: NoName
    t_mono_ns: Count

    def at_mm(self, t_ns: int) -> float:
        """Where it was or will be at that time, at the same speed, for as long as a word of it can be believed."""
        since_ns = max(-CARRIED_NS, min(CARRIED_NS, t_ns - self.t_mono_ns))
        return self.position_mm + self.speed_mm_s * since_ns / 1e9


class EncoderCount(Message):
    """A reading of an encoder's register as it stands, wraps and all; `source` is the camera that gave it, or empty."""

    source: NoName = ""
    count: Int64
    t_mono_ns: Count | None = None
    """Null: now."""
