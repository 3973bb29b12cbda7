"""What the benchmark of a whole line makes of its verdicts."""

from __future__ import annotations

import pytest

from tools.bench.line import steady_per_s


def test_bursts_are_counted_by_their_slope() -> None:
    bursts = [round(0.4 * n, 1) + 0.001 * k for n in range(10) for k in range(4)]  # four frames each 0.4 s
    assert steady_per_s(bursts) == pytest.approx(10, rel=0.01)
    assert steady_per_s(bursts[2:]) == pytest.approx(10, rel=0.03)
