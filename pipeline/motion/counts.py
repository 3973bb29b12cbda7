"""Where encoder counts come from: messages (of cameras or of others), UDP datagrams, a Modbus register."""

from __future__ import annotations

import socket
from typing import Protocol

from glass_core.errors import InputError
from pipeline.config.motion import ModbusMotion
from pipeline.devices import DeviceLost
from pipeline.devices.modbus import ModbusDevice
from pipeline.link.link import Inbox
from pipeline.messages.motion import EncoderCount

DATAGRAM_BYTES = 32
"""More than any decimal number that is a count."""
RECONNECT_NS = 1_000_000_000
ANSWER_MS = 100.0
"""A Modbus device on the machine's own network answers sooner; the motion process waits for nobody else."""

Reading = tuple[int, int]
"""Count, and the monotonic time of it in ns."""


class Counts(Protocol):
    """Readings of a counter."""

    rests: bool
    """True: silence means that the web rests (a triggered camera). False: silence is a fault."""
    refused: int

    def read(self, now_ns: int) -> list[Reading]:
        """What has come since the last call, in order; never waits longer than ANSWER_MS."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class MessageCounts:
    """EncoderCount messages in the motion stage's own inbox: from a camera's grabber, or from any program of this user."""

    def __init__(self, inbox: Inbox, source: str, rests: bool) -> None:
        self._inbox, self._source, self.rests = inbox, source, rests
        self.refused = 0

    def read(self, now_ns: int) -> list[Reading]:
        """Those of the source that was asked for."""
        found = []
        while received := self._inbox.receive():
            message = received[0]
            if isinstance(message, EncoderCount) and message.source == self._source:
                found.append((message.count, message.t_mono_ns or now_ns))
            else:
                self.refused += 1
        return found

    def close(self) -> None:
        """Nothing of its own."""


class UdpCounts:
    """Datagrams that hold one decimal count each, as ASCII; `listen` is HOST:PORT."""

    rests = False

    def __init__(self, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind((host, int(port)))
        except OSError as e:
            self._socket.close()
            raise InputError(f"address not free ({e.strerror}), motion.listen {listen}, choose another port") from None
        self.refused = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    def read(self, now_ns: int) -> list[Reading]:
        """All datagrams that wait; what is no number is counted and dropped."""
        found: list[Reading] = []
        while True:
            try:
                text = self._socket.recv(DATAGRAM_BYTES + 1)
            except (BlockingIOError, ConnectionError):
                return found
            try:
                found.append((_count(text), now_ns))
            except ValueError:
                self.refused += 1

    def close(self) -> None:
        """Let the port go."""
        self._socket.close()


def _count(text: bytes) -> int:
    if len(text) > DATAGRAM_BYTES:
        raise ValueError("too long")
    return int(text.decode("ascii"))


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
        except DeviceLost:
            self._device.close()  # the next call connects anew
            self.refused += 1
            self._retry_ns = now_ns + RECONNECT_NS
            return []
        high_first = registers if c.high_word_first else registers[::-1]
        return [(sum(word << 16 * i for i, word in enumerate(reversed(high_first))), now_ns)]

    def close(self) -> None:
        """Hang up."""
        self._device.close()
