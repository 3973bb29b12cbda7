"""How many tiles an engine scores in a second; importing this imports no torch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glass_core.engines.canary import Canary
from glass_core.pictures.scoring import Scorer

QUICK_S = 0.5
QUICK_BATCHES = 3


class Proven(Scorer, Protocol):
    """The part of an engine that is needed here."""

    @property
    def canary(self) -> Canary | None:
        """Tiles like those that it takes."""
        ...


@dataclass(frozen=True)
class Timing:
    """Times of one batch size, after a warm-up."""

    batch: int
    batch_s: NDArray[np.float64]
    """Of each batch."""

    @property
    def images_per_s(self) -> float:
        """Of the median batch."""
        return float(self.batch / np.median(self.batch_s))

    @property
    def latency_ms(self) -> dict[str, float]:
        """Of a whole batch."""
        p50, p95, p99 = np.percentile(self.batch_s, [50, 95, 99]) * 1e3
        return {"p50": float(p50), "p95": float(p95), "p99": float(p99)}


def timed(call: Callable[[], object], batch: int, seconds: float, least: int = 5) -> Timing:
    """A warm-up of a fifth of the time, once at least; then calls until `seconds` are over, `least` of them at least."""
    end_s = time.perf_counter() + seconds / 5
    call()
    while time.perf_counter() < end_s:
        call()
    batch_s: list[float] = []
    end_s = time.perf_counter() + seconds
    while len(batch_s) < least or time.perf_counter() < end_s:
        began_s = time.perf_counter()
        call()
        batch_s.append(time.perf_counter() - began_s)
    return Timing(batch, np.array(batch_s))


def quick_tiles_per_s(engine: Proven, batch: int, clock_s: Callable[[], float] = time.perf_counter) -> float:
    """Of an engine that is warm, in half a second or one batch: the best of up to three, so that no line is refused for
    a moment's load."""
    canary = engine.canary
    assert canary is not None
    tiles = np.resize(canary.tiles, (batch, *canary.tiles.shape[1:]))
    best_s, spent_s = float("inf"), 0.0
    for _ in range(QUICK_BATCHES):
        began_s = clock_s()
        engine.score(tiles)
        took_s = clock_s() - began_s
        best_s, spent_s = min(best_s, took_s), spent_s + took_s
        if spent_s >= QUICK_S:
            break
    return batch / max(best_s, 1e-9)
