"""Encoder counts as an endless signed number: wraps taken out, impossible jumps refused (pure arithmetic)."""

from __future__ import annotations

import math

from pipeline.messages.stages import Counted

JITTER_S = 0.05
"""Two readings may be so much further apart in time than their arrival says."""


class CounterJump(Exception):
    """A step that the cloth cannot have made, or one so long after the last that the wraps in between are unknown."""


class Counter:
    """Counts of a register of `bits` bits, whichever way they run; `most_counts_s` is the fastest the cloth can make it.

    `rests`: it is read only while the cloth moves (it comes with a triggered camera's pictures), so silence hides no wraps.
    """

    def __init__(self, bits: int, most_counts_s: float, rests: bool = False) -> None:
        self._modulus = 1 << bits
        self._most_counts_s = most_counts_s
        self._longest_s = 0.4 * self._modulus / most_counts_s - JITTER_S if rests else math.inf
        self._last: int | None = None
        self._last_ns = 0
        self.total = 0
        """Counts since the first reading, negative in reverse."""

    def resume(self, before: Counted) -> None:
        """Go on from what was read before a restart."""
        self.total, self._last, self._last_ns = before.total, before.raw % self._modulus, before.read_ns

    def add(self, raw: int, t_ns: int) -> int:
        """Counts since the reading before; CounterJump where they cannot be told, and then `total` stands still.

        A reading is compared with the one before it, so the one after a jump counts on from there.
        """
        raw %= self._modulus
        last, elapsed_s = self._last, min(self._longest_s, max(0, t_ns - self._last_ns) / 1e9)
        self._last, self._last_ns = raw, t_ns
        if last is None:
            return 0
        half = self._modulus // 2
        step = (raw - last + half) % self._modulus - half
        most = self._most_counts_s * (elapsed_s + JITTER_S)
        if abs(step) > most:
            raise CounterJump(f"jumped by {step} counts in {elapsed_s * 1000:.0f} ms, {most:.0f} are possible")
        if most >= half:
            raise CounterJump(f"silent for {elapsed_s * 1000:.0f} ms, too long for a counter that wraps at {self._modulus}")
        self.total += step
        return step
