"""A Modbus TCP device on loopback whose answers a test may spoil, frame by frame."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

WORDS = {address: 7 + address for address in range(400)}
Spoil = Callable[[bytes, bytes], bytes]
"""Request and right answer, both as whole frames; what is sent instead."""


def whole(request: bytes, answer: bytes) -> bytes:
    """Not spoiled."""
    return answer


def frame(request: bytes, pdu: bytes, unit: int | None = None, transaction: int | None = None) -> bytes:
    """An answer to that request, its header as it should be but for what is given."""
    asked, _, _, asked_unit = struct.unpack(">HHHB", request[:7])
    header = (asked if transaction is None else transaction, 0, len(pdu) + 1, asked_unit if unit is None else unit)
    return struct.pack(">HHHB", *header) + pdu


class LoopbackModbus:
    """All tables hold `words`, of which an odd one is a bit that is on; other addresses are refused (exception 2).

    `delay_s` passes before each answer; `requests` are the PDUs that were asked.
    """

    def __init__(self, spoil: Spoil = whole, delay_s: float = 0.0) -> None:
        self.spoil, self.delay_s = spoil, delay_s
        self.words = dict(WORDS)
        self.requests: list[bytes] = []
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._peers: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for peer in [self._server, *self._peers]:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer = self._server.accept()[0]
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._peers.append(peer)
                self._threads.append(threading.Thread(target=self._talk, args=(peer,)))
                self._threads[-1].start()

    def _talk(self, peer: socket.socket) -> None:
        buffer = b""
        with suppress(OSError):
            while data := peer.recv(4096):
                buffer += data
                while len(buffer) >= 6 and len(buffer) >= (size := 6 + int.from_bytes(buffer[4:6], "big")):
                    request, buffer = buffer[:size], buffer[size:]
                    self.requests.append(request[7:])
                    right = frame(request, self._answer(request[7:]))
                    time.sleep(self.delay_s)
                    peer.sendall(self.spoil(request, right))

    def _answer(self, pdu: bytes) -> bytes:
        function, address, count = struct.unpack(">BHH", pdu[:5])
        places = range(address, address + count)
        if not all(place in self.words for place in places):
            return bytes([function | 0x80, 2])
        match function:
            case 1 | 2:
                packed = sum((self.words[place] & 1) << i for i, place in enumerate(places))
                return bytes([function, (count + 7) // 8]) + packed.to_bytes((count + 7) // 8, "little")
            case 3 | 4:
                return bytes([function, 2 * count]) + struct.pack(f">{count}H", *(self.words[place] for place in places))
            case 15:
                self.words.update((place, pdu[6 + i // 8] >> i % 8 & 1) for i, place in enumerate(places))
                return pdu[:5]
            case 16:
                self.words.update(zip(places, struct.unpack(f">{count}H", pdu[6:]), strict=True))
                return pdu[:5]
        return bytes([function | 0x80, 1])
