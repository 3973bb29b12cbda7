"""A door for GET requests that waits for nobody: whoever is slow, or says nothing, or too much, is shown out."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from glass_core.errors import AbsentError, InputError

MAX_VISITORS = 16
MAX_REQUEST_BYTES = 8192
PATIENCE_NS = 5_000_000_000
"""From the first byte to the last; a scrape takes milliseconds."""
ROUND = 65_536


class Page(NamedTuple):
    """What is answered."""

    status: HTTPStatus
    kind: str
    body: bytes


@dataclass
class Visitor:
    """A connection: what it has asked so far, and what it has yet to take."""

    socket: socket.socket
    until_ns: int
    asked: bytes = b""
    owed: memoryview | None = None


class Door:
    """Bound at an address; `step` serves whoever is there, without waiting. InputError where it is not free.

    AbsentError where the machine does not have it now.
    """

    def __init__(self, address: tuple[str, int], answer: Callable[[str], Page]) -> None:
        self._answer = answer
        self._visitors: list[Visitor] = []
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            self._listener = socket.create_server(address, family=family, backlog=MAX_VISITORS)
        except OSError as e:
            where = f"{address[0]}:{address[1]}"
            if e.errno in (errno.EADDRNOTAVAIL, errno.ENODEV):
                words = f"no such address here, metrics.bind {where}, see that the network is up or choose another"
                raise AbsentError(words) from None
            raise InputError(f"address not free, {where}, {e.strerror}: choose another metrics.bind") from None
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])

    def step(self, now_ns: int) -> bool:
        """Let in, hear and answer; whether anybody was there."""
        while len(self._visitors) < MAX_VISITORS:
            try:
                found, _ = self._listener.accept()
            except OSError:  # nobody waits, or he has gone already
                break
            found.setblocking(False)
            self._visitors.append(Visitor(found, now_ns + PATIENCE_NS))
        for visitor in [*self._visitors]:
            try:
                done = now_ns > visitor.until_ns or self._serve(visitor)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                done = True
            if done:
                self._show_out(visitor)
        return bool(self._visitors)

    def close(self) -> None:
        """Show everybody out."""
        for visitor in [*self._visitors]:
            self._show_out(visitor)
        self._listener.close()

    def _serve(self, visitor: Visitor) -> bool:
        """Whether he has all that he will get."""
        if visitor.owed is None:
            heard = visitor.socket.recv(MAX_REQUEST_BYTES)
            visitor.asked += heard
            if not heard:
                return True
            if b"\r\n\r\n" not in visitor.asked and len(visitor.asked) <= MAX_REQUEST_BYTES:
                return False
            visitor.owed = memoryview(self._reply(visitor.asked))
        while visitor.owed:
            visitor.owed = visitor.owed[visitor.socket.send(visitor.owed[:ROUND]) :]
        return True

    def _reply(self, asked: bytes) -> bytes:
        words = asked.split(b"\r\n", 1)[0].split(b" ")
        if len(asked) > MAX_REQUEST_BYTES or len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            page = _plain(HTTPStatus.BAD_REQUEST)
        elif words[0] not in (b"GET", b"HEAD"):
            page = _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        else:
            page = self._answer(words[1].split(b"?")[0].decode("latin-1"))
        head = (
            f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\nContent-Type: {page.kind}\r\n"
            f"Content-Length: {len(page.body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if words[0] == b"HEAD" else page.body)

    def _show_out(self, visitor: Visitor) -> None:
        self._visitors.remove(visitor)
        with suppress(OSError):
            visitor.socket.shutdown(socket.SHUT_WR)
        visitor.socket.close()


def _plain(status: HTTPStatus) -> Page:
    return Page(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())


def not_found() -> Page:
    """There is nothing of that name."""
    return _plain(HTTPStatus.NOT_FOUND)
