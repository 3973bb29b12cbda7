"""Real cloth: position and speed from an encoder's counts."""

from __future__ import annotations

from collections import deque

from pipeline.config.motion import EncoderMotion
from pipeline.messages.stages import Counted
from pipeline.motion.counter import Counter, CounterJump
from pipeline.motion.counts import Counts

WINDOW_NS = 200_000_000
"""Speed is the slope over so long, or over the last two readings where they are further apart."""
SETTLE_NS = 1_000_000_000
"""After a jump the position is not trusted for so long."""


class EncoderSource:
    """The cloth as an encoder counts it; position 0 is where the line was started."""

    def __init__(self, config: EncoderMotion, counts: Counts, before: Counted | None) -> None:
        self.name = config.source
        self._config, self._counts = config, counts
        self._counter = Counter(config.bits, abs(config.counts_per_mm) * config.max_speed_mm_s, counts.rests)
        self._before = before
        self._readings: deque[tuple[int, float]] = deque()  # time in ns, position in mm
        self._raw: int | None = None
        self._jump, self._jumped_ns = "", 0
        self._since_ns: int | None = None
        self.fault = self.trouble = ""

    @property
    def kept(self) -> Counted | None:
        """What a restart goes on from."""
        if self._raw is None:
            return self._before
        return Counted(raw=self._raw, read_ns=self._readings[-1][0], total=self._counter.total)

    @property
    def refused(self) -> int:
        """Readings that were none of this encoder's."""
        return self._counts.refused

    def read(self, now_ns: int, held: bool) -> tuple[float, float, int] | None:
        """Position in mm, speed in mm/s and the time of both; None before the first count, of which `trouble` then speaks.

        `fault` says why they are not to be trusted: silence of a counter that has spoken before, or a jump just now.
        """
        self._since_ns = self._since_ns or now_ns
        for raw, t_ns in self._counts.read(now_ns):
            if self._raw is None and self._before is not None:
                self._counter.resume(self._before)
            try:
                self._counter.add(raw, t_ns)
            except CounterJump as e:
                self._jump, self._jumped_ns = f"encoder {e}, motion {self.name}, check its cable and motion.bits", now_ns
                self._readings.clear()
            self._raw = raw
            self._readings.append((t_ns, self._counter.total / self._config.counts_per_mm))
            while len(self._readings) > 2 and self._readings[1][0] <= t_ns - WINDOW_NS:
                self._readings.popleft()
        last_ns = self._readings[-1][0] if self._readings else self._since_ns
        silent = now_ns - last_ns > self._config.silent_ms * 1e6
        self.fault, self.trouble = "", self._counts.trouble
        why = self._counts.trouble or "check its sender"
        if not self._readings and self._before is None and not self._counts.rests:
            self.trouble = f"no count of the encoder yet, motion {self.name}, {why}"
        elif silent and not self._counts.rests:
            self.fault = f"encoder silent for over {self._config.silent_ms:g} ms, motion {self.name}, {why}"
        elif self._jump and now_ns - self._jumped_ns < SETTLE_NS:
            self.fault = self._jump
        if not self._readings:
            return None
        (first_ns, first_mm), (last_ns, last_mm) = self._readings[0], self._readings[-1]
        if silent or last_ns == first_ns:
            return last_mm, 0.0, now_ns
        speed_mm_s, most_mm_s = (last_mm - first_mm) / (last_ns - first_ns) * 1e9, self._config.max_speed_mm_s
        return last_mm, max(-most_mm_s, min(most_mm_s, speed_mm_s)), last_ns  # two readings may come almost together

    def close(self) -> None:
        """Let the source go."""
        self._counts.close()
