"""Encoder counts in UDP datagrams."""

from __future__ import annotations

import errno
import re
import socket

from glass_core.errors import AbsentError, InputError
from pipeline.motion.counts import Reading

DATAGRAM_BYTES = 32
"""More than any decimal number that is a count."""
MAX_BITS = 63
"""Beside the sign: so much goes into messages."""


class UdpCounts:
    """Datagrams that hold one decimal count each, as ASCII; `listen` is HOST:PORT."""

    rests = False
    trouble = ""

    def __init__(self, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind((host, int(port)))
        except OSError as e:
            self._socket.close()
            if e.errno == errno.EADDRNOTAVAIL:
                words = f"no such address here, motion.listen {listen}, see that the network is up or choose another"
                raise AbsentError(words) from None
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
    """The number; ValueError where it is none, or wider than any register whose wraps could be counted."""
    if len(text) > DATAGRAM_BYTES or not re.fullmatch(rb"\s*[-+]?\d+\s*", text):
        raise ValueError("not one decimal number")
    count = int(text)
    if count.bit_length() > MAX_BITS:
        raise ValueError("over 64 bits")
    return count
