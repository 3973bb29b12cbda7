"""Whether a figure grows over time, and how far in a month (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

DAY_S = 86_400.0
MONTH_DAYS = 30
BLOCKS, MIN_BLOCKS = 60, 8
Z = 3.29
"""99.9 %: of fifty figures one would be called growing by chance in twenty soaks, with 95 % in each."""


class Trend(BaseModel):
    """How a figure ran over the second half of its time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    """Its median there."""
    per_day: float
    low_per_day: float
    high_per_day: float
    """The interval of the slope."""
    in_30_days: float
    """Level and slope carried on in a straight line: what really happens later may be less, as caches fill, or more."""
    allowed_per_day: float
    seen_from_per_day: float
    """Less than this is not seen in the time looked at."""
    grows: bool


def trend(times_s: Sequence[float], values: Sequence[float], allowed_per_day: float, grain: float) -> Trend | None:
    """Of a figure's second half; the first is for caches to fill. None where there are too few values.

    The rule: it grows where even the lower end of its slope's interval is above `allowed_per_day`, and where it came to
    `grain` or more in the time looked at. The slope is Theil's and Sen's, the median of the slopes of all pairs, so that single
    steps and spikes do not count; the interval is Sen's, from the variance of Kendall's S (Sen 1968,
    doi:10.1080/01621459.1968.10480934). Up to 60 medians stand for the values, since neighbours are alike.
    """
    t, v = np.asarray(times_s, float), np.asarray(values, float)
    late = t >= (t[0] + t[-1]) / 2 if t.size else np.zeros(0, bool)
    t, v = t[late], v[late]
    n = min(BLOCKS, t.size)
    if n < MIN_BLOCKS:
        return None
    t = np.array([np.median(part) for part in np.array_split(t, n)])
    v = np.array([np.median(part) for part in np.array_split(v, n)])
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((v[second] - v[first]) / (t[second] - t[first])) * DAY_S
    reach = Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = slopes[max(0, math.floor((slopes.size - reach) / 2) - 1)]
    high = slopes[min(slopes.size - 1, math.ceil((slopes.size + reach) / 2))]
    slope, level = float(np.median(slopes)), float(np.median(v))
    seen_from = grain * DAY_S / (t[-1] - t[0])
    return Trend(
        level=level, per_day=slope, low_per_day=float(low), high_per_day=float(high),
        in_30_days=max(0.0, level + slope * MONTH_DAYS), allowed_per_day=allowed_per_day, seen_from_per_day=seen_from,
        grows=bool(low > max(0.0, allowed_per_day) and slope >= seen_from),
    )  # fmt: skip
