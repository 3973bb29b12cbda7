"""Which of a camera's last metres were judged: only such cloth is seen again when the cloth has run back (pure)."""

from __future__ import annotations

import math

from pipeline.cloth.coverage import Intervals
from pipeline.messages.frames import Announced
from pipeline.messages.states import FrameStatus
from pipeline.messages.values import Span

KEEP_MM = 10_000.0
"""Further back than this all cloth counts as judged, so that memory is bounded; the running figures are settled there, too."""
NEW_SHARE = 0.02
"""A frame with no more new cloth than this is seen again: cloth at rest trembles, and places are not surer."""


class Seen:
    """One camera's; `mark_mm`: up to there all was decided before a restart."""

    def __init__(self, mark_mm: float = -math.inf) -> None:
        self._known_mm = self._furthest_mm = mark_mm
        self._judged = Intervals()

    def again(self, frame: Announced) -> bool:
        """Whether the frame's cloth was judged before: the cloth ran back, or stands before a camera that goes on.

        Never a damaged frame's: where it lies is not sure.
        """
        if frame.status is not FrameStatus.OK or frame.start_mm is None or frame.end_mm is None:
            return False
        start, end = _um(max(frame.start_mm, self._known_mm)), _um(frame.end_mm)
        new_um = sum(b - a for a, b in self._judged.gaps(start, end)) if start < end else 0
        return new_um <= NEW_SHARE * _um(frame.end_mm - frame.start_mm)

    def judged(self, span: Span) -> None:
        """One more span was."""
        if span.start_mm is None or span.end_mm is None:
            return
        self._judged.add(_um(span.start_mm), _um(span.end_mm))
        self._furthest_mm = max(self._furthest_mm, span.end_mm)
        self._known_mm = max(self._known_mm, self._furthest_mm - KEEP_MM)
        self._judged.take_below(_um(self._known_mm))


def _um(mm: float) -> int:
    return round(mm * 1000)
