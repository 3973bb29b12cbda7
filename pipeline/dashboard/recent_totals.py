"""The totals of the last few seconds, from which frames per second are taken."""

from __future__ import annotations

from collections import deque

from pipeline.messages.line import Totals

RATE_TOTALS = 11
"""Totals over which frames per second are taken: about five seconds of them."""


class RecentTotals:
    """Of one generation of decision: a new one counts from 0."""

    def __init__(self) -> None:
        self._totals: deque[Totals] = deque(maxlen=RATE_TOTALS)

    def add(self, totals: Totals) -> None:
        """The newest."""
        if self._totals and self._totals[-1].generation != totals.generation:
            self._totals.clear()
        self._totals.append(totals)

    @property
    def last(self) -> Totals | None:
        """The newest; null: none was told."""
        return self._totals[-1] if self._totals else None

    def rate(self, camera: str) -> float | None:
        """Frames per second of one camera; null: not known."""
        totals = list(self._totals)
        if len(totals) < 2 or camera not in totals[0].cameras or camera not in totals[-1].cameras:
            return None
        seconds = (totals[-1].t_mono_ns - totals[0].t_mono_ns) / 1e9
        frames = totals[-1].cameras[camera].frames - totals[0].cameras[camera].frames
        return frames / seconds if seconds > 0 else None
