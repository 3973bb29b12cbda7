"""How much room the record still has, told before there is none."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

LOOK_NS = 60_000_000_000
AGAIN_NS = 1_000_000_000
"""While there is too little: that somebody has made room is seen at once."""
LOOKS = 60
LEAST_BYTES = 1_000_000_000
LEAST_H = 8.0
"""A shift: somebody comes by in time."""
LEAST_LOOKS = 10
"""Below so many nobody knows yet how fast the disk fills."""


class Room:
    """Looks at the disk each minute, more often while there is too little room, and remembers each minute of the last hour."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._looks: deque[tuple[int, int]] = deque(maxlen=LOOKS)
        self._words = ""
        self._due_ns = self._minute_ns = 0

    def warning(self, now_ns: int) -> str:
        """What a person must know; empty while there is room for a shift, at the rate of the last hour."""
        if now_ns < self._due_ns:
            return self._words
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return self._words  # a commit will say what is wrong
        if now_ns >= self._minute_ns:
            self._minute_ns = now_ns + LOOK_NS
        else:
            self._looks.pop()
        self._looks.append((now_ns, disk.f_bavail * disk.f_frsize))
        self._words = self._judge()
        self._due_ns = min(self._minute_ns, now_ns + AGAIN_NS) if self._words else self._minute_ns
        return self._words

    def _judge(self) -> str:
        (first_ns, most), (last_ns, free) = self._looks[0], self._looks[-1]
        lasts_h = None
        if len(self._looks) >= LEAST_LOOKS and most > free:
            lasts_h = free / (most - free) * (last_ns - first_ns) / 3.6e12
        if free >= LEAST_BYTES and (lasts_h is None or lasts_h >= LEAST_H):
            return ""
        at_this_rate = "" if lasts_h is None else f", at the present rate enough for {lasts_h:.2g} h"
        return f"disk nearly full: {free / 1e9:.2g} GB free{at_this_rate}, make room in {self._folder}"
