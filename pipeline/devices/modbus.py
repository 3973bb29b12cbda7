"""A Modbus TCP device that is asked and never waited for, and never believed before its answer is the one that was asked for.

Frames and limits: MODBUS Application Protocol V1.1b3 and MODBUS Messaging on TCP/IP V1.0b, both from modbus.org.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Literal

from pipeline.devices import DeviceLost, DeviceRefuses

Table = Literal["coil", "discrete", "holding", "input"]
READ: dict[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
WRITE_COILS, WRITE_REGISTERS = 15, 16
MAX_READ: dict[Table, int] = {"coil": 2000, "discrete": 2000, "holding": 125, "input": 125}
"""Values in one answer."""
HEADER = struct.Struct(">HHHB")
"""Transaction, protocol (0), bytes that follow the length itself, unit."""
MAX_PDU_BYTES = 253
REFUSED = 0x80
EXCEPTIONS = {
    1: "no such function", 2: "no such address", 3: "not so many, or no such value", 4: "it has failed", 5: "it needs longer",
    6: "it is busy", 10: "the gateway has no path to it", 11: "the gateway hears nothing of it",
}  # fmt: skip


class ModbusDevice:
    """Every call is answered within `timeout_ms`, and as long again where it must connect first, or raises DeviceLost.

    An answer of another shape, unit, function or transaction than was asked for is none. The connection is closed then,
    since nothing that follows on it can be trusted; the next call connects anew. A refusal (DeviceRefuses) leaves it whole.
    """

    def __init__(self, host: str, port: int, unit: int, timeout_ms: float) -> None:
        self._address, self._unit, self._timeout_s = (host, port), unit, timeout_ms / 1000
        self._where = f"{host}:{port}"
        self._socket: socket.socket | None = None
        self._transaction = 0

    def read(self, table: Table, address: int, count: int) -> list[int]:
        """So many values from an address on: 0 or 1 of coils and discrete inputs, 0 to 65535 of registers.

        `count` is at most MAX_READ of the table.
        """
        bits = table in ("coil", "discrete")
        size = (count + 7) // 8 if bits else 2 * count
        answer = self._ask(struct.pack(">BHH", READ[table], address, count), 2 + size)
        if answer[1] != size:
            raise self._lost(f"says that {answer[1]} bytes follow where {size} were asked for")
        if bits:
            return [answer[2 + i // 8] >> i % 8 & 1 for i in range(count)]
        return list(struct.unpack(f">{count}H", answer[2:]))

    def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Switch coils from an address on."""
        packed = sum(bool(on) << i for i, on in enumerate(values)).to_bytes((len(values) + 7) // 8, "little")
        self._write(WRITE_COILS, address, len(values), packed)

    def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Write registers from an address on."""
        self._write(WRITE_REGISTERS, address, len(values), struct.pack(f">{len(values)}H", *values))

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
        self._socket = None

    def _write(self, function: int, address: int, count: int, values: bytes) -> None:
        said = struct.pack(">BHH", function, address, count)
        if self._ask(said + bytes([len(values)]) + values, len(said)) != said:
            raise self._lost("confirms another writing than was asked for")

    def _ask(self, pdu: bytes, size: int) -> bytes:
        """The answer to a request, of that many bytes from its function on."""
        connection = self._socket or self._connect()
        self._transaction = self._transaction % 0xFFFF + 1
        until_s = time.monotonic() + self._timeout_s
        try:
            connection.settimeout(self._timeout_s)
            connection.sendall(HEADER.pack(self._transaction, 0, 1 + len(pdu), self._unit) + pdu)
            transaction, protocol, length, unit = HEADER.unpack(_receive(connection, HEADER.size, until_s))
            if protocol != 0 or not 2 <= length - 1 <= MAX_PDU_BYTES:
                raise self._lost("answers in another protocol than Modbus TCP")
            answer = _receive(connection, length - 1, until_s)
        except OSError as e:
            raise self._lost(f"does not answer ({_words(e)})") from None
        if unit != self._unit:
            raise self._lost(f"answers as unit {unit} where unit {self._unit} was asked")
        if transaction != self._transaction:
            raise self._lost("answers another request than the one it was asked")
        if answer[0] == pdu[0] | REFUSED and len(answer) == 2:
            why = EXCEPTIONS.get(answer[1], "which has no meaning")
            raise DeviceRefuses(f"{self._where} refuses, check the addresses (exception {answer[1]}, {why})")
        if answer[0] != pdu[0]:
            raise self._lost(f"answers function {answer[0]} where {pdu[0]} was asked")
        if len(answer) != size:
            raise self._lost(f"answers with {len(answer)} bytes where {size} were asked for")
        return answer

    def _connect(self) -> socket.socket:
        try:
            self._socket = socket.create_connection(self._address, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, UnicodeError) as e:  # a host's name that cannot be one is a UnicodeError
            self.close()
            raise DeviceLost(f"no connection to {self._where} ({_words(e)})") from None
        return self._socket

    def _lost(self, why: str) -> DeviceLost:
        self.close()
        return DeviceLost(f"{self._where} {why}")


def blocks(addresses: Iterable[int], most: int) -> list[range]:
    """Runs of neighbouring addresses, each of them one request for at most `most` values.

    Gaps are not read across: a device refuses the whole request where one address does not exist.
    """
    runs: list[range] = []
    for address in sorted(set(addresses)):
        if runs and address == runs[-1].stop and len(runs[-1]) < most:
            runs[-1] = range(runs[-1].start, address + 1)
        else:
            runs.append(range(address, address + 1))
    return runs


def _receive(connection: socket.socket, size: int, until_s: float) -> bytes:
    """Exactly so many bytes; an OSError where they are not there in time."""
    received = b""
    while len(received) < size:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("it hung up")
        received += part
    return received


def _words(e: Exception) -> str:
    return "timed out" if isinstance(e, TimeoutError) else getattr(e, "strerror", None) or str(e)
