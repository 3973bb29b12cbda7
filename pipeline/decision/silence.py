"""Finds the cloth that passed a camera without a frame: the camera's silence, not its word, is the evidence."""

from __future__ import annotations

from pipeline.decision.seen import NEW_SHARE
from pipeline.messages.frames import Announced
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState
from pipeline.messages.values import Span

FIRST_FRAME_MM = 100.0
"""Assumed length of a frame until a camera has announced one and when the line does not state it."""
LATENESS_NS = 250_000_000
"""A frame may be announced so much later than its last row passed."""
TOLERANCE_MM = 1e-3


class Silence:
    """One camera's cloth: up to where it is spoken for."""

    def __init__(self, frame_mm: float | None, spoken_mm: float | None = None, offset_mm: float = 0.0) -> None:
        self._offset_mm = offset_mm
        self._frame_mm = frame_mm or 0.0
        self.spoken_mm = spoken_mm
        """The furthest that was announced or told missing; null before the first word."""

    def announced(self, frame: Announced) -> Span | None:
        """The cloth skipped before this frame, if any.

        A frame with hardly any new cloth may prove to be a rescan, and its verdict then adds none. So it speaks of none here.
        """
        if frame.start_mm is None or frame.end_mm is None:
            return None
        spoken_mm = self.spoken_mm
        # A slab cut short by a damaged buffer says nothing about how often frames are due.
        self._frame_mm = max(self._frame_mm, frame.end_mm - frame.start_mm)
        if spoken_mm is None or frame.start_mm > spoken_mm + TOLERANCE_MM:
            self.spoken_mm = frame.end_mm
            return None if spoken_mm is None else Span(spoken_mm, frame.start_mm)
        if frame.end_mm - spoken_mm > NEW_SHARE * (frame.end_mm - frame.start_mm) + TOLERANCE_MM:
            self.spoken_mm = frame.end_mm
        return None

    def begin(self, motion: Motion) -> None:
        """Cloth counts from where it is when it is first heard of."""
        if self.spoken_mm is None:
            self.spoken_mm = motion.position_mm + self._offset_mm

    def moved(self, motion: Motion) -> Span | None:
        """The cloth that has passed by now in whole frames without a word; None at rest, in reverse, and while all is well."""
        if self.spoken_mm is None or motion.state is not MotionState.MOVING:
            return None
        frame_mm = self._frame_mm if self._frame_mm > TOLERANCE_MM else FIRST_FRAME_MM
        margin_mm = 0.25 * frame_mm + LATENESS_NS / 1e9 * motion.speed_mm_s
        frames = int((motion.position_mm + self._offset_mm - self.spoken_mm - margin_mm) // frame_mm)
        if frames < 1:
            return None
        start_mm = self.spoken_mm
        self.spoken_mm = start_mm + frames * frame_mm
        return Span(start_mm, self.spoken_mm)
