"""How often a device is really read, held against how fast it may change."""

from __future__ import annotations

from collections import deque
from heapq import nlargest

MIN_KEPT_MS = 1000.0


class Cycle:
    """Times between the last readings of a device that must be seen twice within `within_ms`.

    What happens is seen a cycle late at most, and that it lasts another cycle late. So a device is read often enough while
    its two longest cycles together are no longer than `within_ms`. Those of the last `2 * within_ms` count, or of a second.
    """

    def __init__(self, within_ms: float) -> None:
        self._within_ms, self._kept_ns = within_ms, int(max(MIN_KEPT_MS, 2 * within_ms) * 1e6)
        self._last_ns: int | None = None
        self._cycles: deque[tuple[int, float]] = deque()  # when each ended, and how long it was in ms

    def read(self, now_ns: int) -> None:
        """It is read once more."""
        if self._last_ns is not None:
            self._cycles.append((now_ns, (now_ns - self._last_ns) / 1e6))
        self._last_ns = now_ns
        while self._cycles and self._cycles[0][0] <= now_ns - self._kept_ns:
            self._cycles.popleft()

    def forget(self) -> None:
        """It is not read for a while: the pause is no cycle."""
        self._last_ns = None
        self._cycles.clear()

    @property
    def longest_ms(self) -> float:
        """0 where nothing was read twice."""
        return max((ms for _, ms in self._cycles), default=0.0)

    @property
    def too_seldom(self) -> bool:
        """Whether it may have been seen but once within `within_ms`."""
        return sum(nlargest(2, (ms for _, ms in self._cycles))) > self._within_ms
