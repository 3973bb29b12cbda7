"""Encoder counts in the registers of a Modbus TCP device."""

from __future__ import annotations

from pipeline.config.motion import ModbusMotion
from pipeline.devices import DeviceLost
from pipeline.devices.cycle import Cycle
from pipeline.devices.modbus import ModbusDevice
from pipeline.motion.counts import Reading

RECONNECT_NS = 1_000_000_000
ANSWER_MS = 100.0
"""A Modbus device on the machine's own network answers sooner; the motion process waits for nobody else."""


class ModbusCounts:
    """A counter in one or two input or holding registers of a Modbus TCP device, asked at each call."""

    rests = False

    def __init__(self, config: ModbusMotion) -> None:
        self._config = config
        self._device = ModbusDevice(config.host, config.port, config.unit, ANSWER_MS)
        self._cycle = Cycle(min(config.half_wrap_ms, config.silent_ms))
        self._connected = False
        self._retry_ns = 0
        self.refused = 0
        self.trouble = ""

    def read(self, now_ns: int) -> list[Reading]:
        """One reading, or none while the device does not answer; then it is left alone for a second."""
        if now_ns < self._retry_ns:
            return []
        c = self._config
        try:
            words = self._device.read(c.kind, c.register_, c.words)
        except DeviceLost as lost:
            self.refused += 1
            self.trouble, self._connected = str(lost), False
            self._cycle.forget()
            self._retry_ns = now_ns + RECONNECT_NS
            return []
        if self._connected:
            self._cycle.read(now_ns)
        self._connected = True  # connecting takes its time, and is no cycle
        if self._cycle.too_seldom is not bool(self.trouble):
            self.trouble = self._seldom if self._cycle.too_seldom else ""
        low_first = words[::-1] if c.high_word_first else words
        return [(sum(word << 16 * i for i, word in enumerate(low_first)), now_ns)]

    @property
    def _seldom(self) -> str:
        c = self._config
        may = f"silent_ms {c.silent_ms:g}"
        if c.half_wrap_ms < c.silent_ms:
            may = f"{c.bits} bits, of which max_speed_mm_s passes half in {c.half_wrap_ms:.0f} ms"
        return f"encoder read every {self._cycle.longest_ms:.0f} ms, too seldom for {may}: use a faster connection"

    def close(self) -> None:
        """Hang up."""
        self._device.close()
