"""Finds the time in which a camera should have spoken and did not, where lengths are not known (pure)."""

from __future__ import annotations

from collections import deque

from pipeline.decision.silence import LATENESS_NS
from pipeline.messages.values import Lapse

FACTOR = 3
"""A camera without a known rate may be silent for so many times the longest interval but one between its latest frames."""
RECENT = 16
"""So many intervals are its latest."""


class Pace:
    """One camera's time: up to when it is spoken for.

    `interval_ms`: from frame to frame of one that keeps time; null: to be learned from its frames. One that does not keep
    time (a trigger from outside paces it, or the line itself) may be silent for ever while it is there. `decided_ns`: up to
    when it was spoken for before a restart.
    """

    def __init__(self, keeps_time: bool, interval_ms: float | None, decided_ns: int | None = None) -> None:
        self._keeps_time = keeps_time
        self._interval_ns = None if interval_ms is None else interval_ms * 1e6
        self._recent_ns: deque[float] = deque(maxlen=RECENT)
        self._unheard = decided_ns is not None
        """Nobody knows what it did since: this decision was not there, or the camera was not."""
        self._silent = False
        """Its silence was told; what is left of that is told with its next word."""
        self._frame_ns: int | None = None
        self.spoken_ns = decided_ns
        """Null before it was there."""

    @property
    def usual_ns(self) -> float:
        """From frame to frame, though one may have come late; 0 where that is not known."""
        return self._interval_ns or min(sorted(self._recent_ns)[-2:], default=0.0)

    def ready(self, now_ns: int) -> Lapse | None:
        """The camera is there; the time for which nobody knows what it did, if there is any."""
        return self._speak(now_ns, 0.0) if self.spoken_ns is None or (self._unheard and not self._allowed_ns) else None

    def down(self, now_ns: int) -> Lapse | None:
        """The camera is gone; the time since its last word."""
        lapse = self._speak(now_ns, 0.0)
        self._unheard = True
        return lapse

    def rest(self, from_ns: int, to_ns: int) -> None:
        """No cloth passed then, so nobody need speak of it; a camera that is gone or says nothing is told of all the same."""
        if self.spoken_ns is not None and not self._unheard and not self._silent:
            self.spoken_ns += max(0, to_ns - max(from_ns, self.spoken_ns))

    def measure(self, t_ns: int) -> None:
        """Up to then its cloth is spoken for by the length."""
        if self.spoken_ns is not None:
            self.spoken_ns, self._silent = max(self.spoken_ns, t_ns), False

    def announced(self, t_ns: int) -> Lapse | None:
        """The time skipped before a frame that was taken then, if any."""
        spoken_ns, allowed_ns = self.spoken_ns, self._allowed_ns
        since_ns = 0 if spoken_ns is None else t_ns - spoken_ns
        skipped = self._silent or (since_ns > 1.25 * allowed_ns + LATENESS_NS if allowed_ns else self._unheard)
        usual_ns = self.usual_ns
        if self._frame_ns is not None and since_ns > 0:  # one pause must not make it deaf to the next
            self._recent_ns.append(min(since_ns, FACTOR * max(self._recent_ns, default=since_ns)))
        self._frame_ns = t_ns
        lapse = self._speak(t_ns, usual_ns)
        return lapse if skipped else None

    def passed(self, now_ns: int) -> Lapse | None:
        """The time that has passed by now in whole intervals without a word; None while all is well."""
        allowed_ns = self._allowed_ns
        if self.spoken_ns is None or not allowed_ns:
            return None
        intervals = (now_ns - self.spoken_ns - 0.25 * allowed_ns - LATENESS_NS) // allowed_ns
        if intervals < 1:
            return None
        lapse = self._speak(self.spoken_ns + int(intervals * allowed_ns), 0.0)
        self._silent = True
        return lapse

    @property
    def _allowed_ns(self) -> float:
        """It may be silent for so long, and a little longer; 0: for ever."""
        return self._interval_ns or (FACTOR * self.usual_ns if self._keeps_time else 0.0)

    def _speak(self, t_ns: int, frame_ns: float) -> Lapse | None:
        """It is spoken for up to then, by a frame that covers so much of it, or by its silence: the rest."""
        from_ns, to_ns = self.spoken_ns, int(t_ns - frame_ns)
        self.spoken_ns = t_ns if from_ns is None else max(from_ns, t_ns)
        self._unheard = self._silent = False
        return Lapse(from_ns, to_ns) if from_ns is not None and to_ns > from_ns else None
