"""How long a call of an engine takes at present, by its latest calls (pure)."""

from __future__ import annotations

from collections import deque
from itertools import combinations
from statistics import median

CALLS = 5
"""Looked at: two of them may have been held up by something else, and three tell of a new pace."""
FRESH_NS = 1_000_000_000
"""Without a call for so long nothing is known: else an engine once thought too slow would never be tried again."""


class CallTime:
    """So much for any call, and so much more for each tile: the medians of the slopes between calls and of what is left.

    That is the estimate of Theil (1950) and Sen (1968), kept between "all for the call" and "all for the tiles".
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[int, int]] = deque(maxlen=CALLS)
        self._last_ns = 0
        self._call_ns = self._tile_ns = 0.0

    def called(self, tiles: int, took_ns: int, now_ns: int) -> None:
        """A call for so many tiles has ended."""
        self._calls.append((tiles, took_ns))
        self._last_ns = now_ns
        most_ns = median(ns / n for n, ns in self._calls)
        slopes = [(b_ns - a_ns) / (b - a) for (a, a_ns), (b, b_ns) in combinations(self._calls, 2) if a != b]
        self._tile_ns = min(max(0.0, median(slopes)), most_ns) if slopes else most_ns
        self._call_ns = max(0.0, median(ns - n * self._tile_ns for n, ns in self._calls))

    def forget(self, now_ns: int) -> None:
        """Where the latest call is long ago, any number of tiles is thought to take no time."""
        if self._calls and now_ns - self._last_ns > FRESH_NS:
            self._calls.clear()
            self._call_ns = self._tile_ns = 0.0

    def ns(self, tiles: int, most: int) -> float:
        """For so many tiles, in calls of `most` at a time."""
        return -(-tiles // most) * self._call_ns + tiles * self._tile_ns

    def tiles(self, within_ns: float, most: int) -> int:
        """How many one call does in that time, up to `most`."""
        left_ns = within_ns - self._call_ns
        return most if left_ns >= most * self._tile_ns else max(0, int(left_ns / self._tile_ns)) if self._tile_ns else 0
