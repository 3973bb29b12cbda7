"""Small running figures that every stage may keep."""

from __future__ import annotations

from collections import deque

import numpy as np

WINDOW = 2048


class Percentiles:
    """p50, p95 and p99 of the latest values; constant memory."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=WINDOW)

    def add(self, value: float) -> None:
        """One more value."""
        self._values.append(value)

    def report(self) -> dict[str, float]:
        """Empty before the first value."""
        if not self._values:
            return {}
        p50, p95, p99 = np.percentile(np.fromiter(self._values, float), [50, 95, 99])
        return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "p99": round(float(p99), 3)}
