"""Where the cloth is: position and speed, and the counts of an encoder that they come from."""

from __future__ import annotations

from pipeline.messages.message import Message
from pipeline.messages.states import MotionState


class Motion(Message):
    """Where the cloth is, independent of cameras."""

    position_mm: float
    speed_mm_s: float
    state: MotionState
    source: str
    t_mono_ns: int

    def at_mm(self, t_ns: int) -> float:
        """Where it was or will be at that time, at the same speed."""
        return self.position_mm + self.speed_mm_s * (t_ns - self.t_mono_ns) / 1e9


class EncoderCount(Message):
    """A reading of an encoder's register as it stands, wraps and all; `source` is the camera that gave it, or empty."""

    source: str = ""
    count: int
    t_mono_ns: int | None = None
    """Null: now."""
