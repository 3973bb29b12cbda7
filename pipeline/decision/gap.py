"""Cloth that passes a camera unjudged: when it becomes too much to let by."""

from __future__ import annotations

from pipeline.messages.values import Span


class Gap:
    """One camera's cloth since the last frame that was judged."""

    def __init__(self, tolerate_mm: float) -> None:
        self._tolerate_mm = tolerate_mm
        self._start_mm: float | None = None
        self._end_mm = 0.0
        self._length_mm = 0.0
        self.rejected = False
        """Since the last frame that was judged."""
        self.open = False
        self.ever_judged = False

    def judged(self) -> None:
        """A frame was judged: the gap ends."""
        self._start_mm, self._length_mm = None, 0.0
        self.rejected = self.open = False
        self.ever_judged = True

    def missed(self, span: Span) -> Span | None:
        """A span was not judged; the span to reject for it, or None while it is tolerated.

        Without lengths nothing can be measured, so nothing is tolerated. Once the gap was rejected, so is all that follows.
        Spans need not come in order.
        """
        self.open = True
        start_mm, end_mm = span.start_mm, span.end_mm
        if start_mm is None or end_mm is None:
            self.rejected = True
        if start_mm is None or end_mm is None or self.rejected:
            return span
        self._start_mm = start_mm if self._start_mm is None else min(self._start_mm, start_mm)
        self._end_mm = end_mm if self._length_mm == 0 else max(self._end_mm, end_mm)
        self._length_mm += end_mm - start_mm
        if min(self._length_mm, self._end_mm - self._start_mm) < self._tolerate_mm:  # the same cloth may come again and again
            return None
        self.rejected = True
        return Span(self._start_mm, self._end_mm)
