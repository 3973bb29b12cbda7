"""Encoder counts in the registers of a Modbus TCP device."""

from __future__ import annotations

from pipeline.config.motion import ModbusMotion
from pipeline.devices import DeviceLost, DeviceRefuses
from pipeline.devices.modbus import ModbusDevice
from pipeline.motion.counts import Reading

RECONNECT_NS = 1_000_000_000
ANSWER_MS = 100.0
"""A Modbus device on the machine's own network answers sooner; the motion process waits for nobody else."""


class ModbusCounts:
    """A counter in one or two input or holding registers of a Modbus TCP device, asked at each call."""

    rests = False

    def __init__(self, config: ModbusMotion, device: ModbusDevice | None = None) -> None:
        self._config = config
        self._device = device or ModbusDevice(config.host, config.port, config.unit, ANSWER_MS)
        self._retry_ns = 0
        self.refused = 0

    def read(self, now_ns: int) -> list[Reading]:
        """One reading, or none while the device does not answer; then it is left alone for a second."""
        if now_ns < self._retry_ns:
            return []
        c, client = self._config, self._device.client
        table = client.read_input_registers if c.kind == "input" else client.read_holding_registers
        try:
            registers = self._device.ask(table, c.register_, count=c.words).registers
        except DeviceLost as lost:
            if not isinstance(lost, DeviceRefuses):
                self._device.close()  # the next call connects anew
            self.refused += 1
            self._retry_ns = now_ns + RECONNECT_NS
            return []
        high_first = registers if c.high_word_first else registers[::-1]
        return [(sum(word << 16 * i for i, word in enumerate(reversed(high_first))), now_ns)]

    def close(self) -> None:
        """Hang up."""
        self._device.close()
