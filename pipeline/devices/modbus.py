"""A Modbus TCP device that is asked and never waited for longer than its timeout."""

from __future__ import annotations

import logging
from typing import Any

from pipeline.devices import DeviceLost, DeviceRefuses


class ModbusDevice:
    """Every call is answered within `timeout_ms` or raises DeviceLost."""

    def __init__(self, host: str, port: int, unit: int, timeout_ms: float) -> None:
        from pymodbus.client import ModbusTcpClient  # a process that only names such a device loads no library for it
        from pymodbus.exceptions import ModbusException

        self._failures = (ModbusException, OSError)
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it has to say is said once, by us
        self._where, self._unit = f"{host}:{port}", unit
        self.client = ModbusTcpClient(host, port=port, timeout=timeout_ms / 1000, retries=0)

    def connect(self) -> None:
        """Anew each time: what was on the old connection is lost."""
        self.client.close()
        if not self.client.connect():
            raise DeviceLost(f"no connection to {self._where}")

    def ask(self, call: Any, *words: Any, **facts: Any) -> Any:
        """The answer to one of the client's calls."""
        try:
            answer = call(*words, **facts, device_id=self._unit)
        except self._failures as e:
            raise DeviceLost(f"{self._where} does not answer ({e})") from None
        if answer.isError():
            raise DeviceRefuses(f"{self._where} refuses, check the addresses ({answer})")
        return answer

    def close(self) -> None:
        """Hang up."""
        self.client.close()
