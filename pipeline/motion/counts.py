"""Where encoder counts come from: messages (of cameras or of others), UDP datagrams, a Modbus register."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any, Protocol

from glass_core.errors import InputError
from pipeline.config.motion import ModbusMotion
from pipeline.link.link import Inbox
from pipeline.messages.cloth import EncoderCount

DATAGRAM_BYTES = 32
"""More than any decimal number that is a count."""
RECONNECT_NS = 1_000_000_000
ANSWER_S = 0.1
"""A Modbus device on the machine's own network answers sooner; the motion process waits for nobody else."""

Reading = tuple[int, int]
"""Count, and the monotonic time of it in ns."""


class Counts(Protocol):
    """Readings of a counter."""

    rests: bool
    """True: silence means that the web rests (a triggered camera). False: silence is a fault."""
    refused: int

    def read(self, now_ns: int) -> list[Reading]:
        """What has come since the last call, in order; never waits longer than ANSWER_S."""
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

    def __init__(self, config: ModbusMotion, connect: Callable[[ModbusMotion], Any] | None = None) -> None:
        self._config, self._client = config, (connect or _client)(config)
        self._retry_ns = 0
        self.refused = 0

    def read(self, now_ns: int) -> list[Reading]:
        """One reading, or none while the device does not answer; then it is left alone for a second."""
        from pymodbus.exceptions import ModbusException

        if now_ns < self._retry_ns:
            return []
        c = self._config
        ask = self._client.read_input_registers if c.kind == "input" else self._client.read_holding_registers
        try:
            answer = ask(c.register_, count=c.words, device_id=c.unit)
            if not answer.isError():
                high_first = answer.registers if c.high_word_first else answer.registers[::-1]
                return [(sum(word << 16 * i for i, word in enumerate(reversed(high_first))), now_ns)]
        except (ModbusException, OSError):
            with contextlib.suppress(ModbusException, OSError):
                self._client.close()
        self.refused += 1
        self._retry_ns = now_ns + RECONNECT_NS
        return []

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def _client(config: ModbusMotion) -> Any:
    from pymodbus.client import ModbusTcpClient

    return ModbusTcpClient(config.host, port=config.port, timeout=ANSWER_S, retries=0)
