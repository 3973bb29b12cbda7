"""A Modbus TCP server in a process of its own on loopback, and a client that looks at it and moves it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

from pymodbus.client import ModbusTcpClient


class ModbusServer:
    """`program`: what python is to run, by default a PLC for the outputs; the port follows as its last word."""

    program: tuple[str, ...] = ("-m", "tools.studies.plc")

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.server: subprocess.Popen[bytes] | None = None
        self.client = ModbusTcpClient("127.0.0.1", port=self.port, timeout=1)

    def start(self) -> None:
        self.server = subprocess.Popen([sys.executable, *self.program, str(self.port)], stdout=subprocess.DEVNULL)
        end_s = time.monotonic() + 20
        while not self.client.connect():
            assert time.monotonic() < end_s
            time.sleep(0.05)

    def stop(self) -> None:
        self.client.close()
        if self.server is not None:
            self.server.kill()
            self.server.wait()
