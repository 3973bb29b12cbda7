"""How messages travel: ZeroMQ between processes, or in memory inside one; every message is encoded and decoded either way.

Each stage has one inbox, which it binds; everybody else connects, so endpoints survive restarts. Work goes by PUSH/PULL with
small high-water marks and non-blocking sends: a refused send is an answer, never a wait and never a silent loss.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from pathlib import Path
from typing import Protocol

import zmq

from glass_core.errors import InputError
from pipeline.messages.frames import Message, Payload
from pipeline.wire import HEADER_LIMIT_BYTES, PAYLOAD_LIMIT_BYTES, DecodeError, decode, encode

Received = tuple[Message, tuple[memoryview, ...]]

CAPACITY = {"worker": 4}
"""Messages that wait on each side of an inbox; pictures are big and soon stale, so the worker's is short."""
DEFAULT_CAPACITY = 64
IDLE_MS = 5
"""Longest wait for something to come, unless a stage says otherwise: the grain of deadlines and of simulated pulses."""
LINGER_MS = 200
"""An accepted last word gets through if its receiver lives, and holds nobody up if not."""


class Inbox(Protocol):
    """Where a stage finds its messages."""

    refused: int
    """Messages that were not ours and were dropped."""

    def receive(self) -> Received | None:
        """The next message and its payloads, or None at once."""
        ...


class Outbox(Protocol):
    """A way to one stage's inbox."""

    def send(self, message: Message, *payloads: Payload) -> bool:
        """False when the receiver is absent or its queue is full; never waits."""
        ...


class Broadcast(Protocol):
    """A way to everybody who listens."""

    def publish(self, message: Message) -> None:
        """To every present subscriber; a slow one loses messages and sees it in their numbers."""
        ...

    def joined(self) -> bool:
        """Whether somebody subscribed since the last call."""
        ...


class Link(Protocol):
    """One way of travelling."""

    def inbox(self, name: str) -> Inbox:
        """The inbox called `name`, bound here."""
        ...

    def outbox(self, name: str) -> Outbox:
        """A way to the inbox called `name`, wherever it is."""
        ...

    def broadcast(self, bind: str) -> Broadcast:
        """A publisher bound to `bind`."""
        ...

    def wait(self, timeout_ms: int) -> None:
        """Return when an inbox has something, or after `timeout_ms`."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def publisher_endpoint(bind: str, folder: Path) -> str:
    """`ipc://auto` means: in the line's own folder."""
    return f"ipc://{folder / 'publisher'}" if bind == "ipc://auto" else bind


class ZmqInbox:
    """A PULL or SUB socket."""

    def __init__(self, socket: zmq.Socket, topics: bool = False) -> None:
        self._socket = socket
        self._first_part = 1 if topics else 0
        self.refused = 0

    def receive(self) -> Received | None:
        """The next good message; bad ones are counted and dropped."""
        while True:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return None
            try:
                return decode([p.buffer for p in parts[self._first_part :]])
            except DecodeError:
                self.refused += 1


class ZmqOutbox:
    """A PUSH socket."""

    def __init__(self, socket: zmq.Socket) -> None:
        self._socket = socket

    def send(self, message: Message, *payloads: Payload) -> bool:
        """False when the receiver is absent or its queue is full."""
        try:
            self._socket.send_multipart(encode(message, payloads), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True


class ZmqBroadcast:
    """An XPUB socket; the message's type is its topic."""

    def __init__(self, socket: zmq.Socket) -> None:
        self._socket = socket

    def publish(self, message: Message) -> None:
        """To every present subscriber."""
        self._socket.send_multipart([type(message).__name__.encode(), *encode(message)], zmq.NOBLOCK)

    def joined(self) -> bool:
        """Whether somebody subscribed since the last call."""
        seen = False
        while self._socket.poll(0):
            seen |= self._socket.recv(zmq.NOBLOCK).startswith(b"\x01")
        return seen


def make_private(folder: Path) -> None:
    """Make the folder, for this user alone; InputError where somebody else made it, made it a link, or may look in."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise InputError(f"socket folder not made, {folder}, {e.strerror}: point XDG_RUNTIME_DIR at your own") from None
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(f"socket folder is open to others, {folder}, remove it or run `chmod 700` on it")


class ZmqLink:
    """Sockets in a private folder (mode 0700)."""

    def __init__(self, folder: Path) -> None:
        make_private(folder)
        self.folder = folder
        self._context = zmq.Context(io_threads=1)
        self._poller = zmq.Poller()
        self._sockets: list[zmq.Socket] = []
        self._bound: list[Path] = []

    def _socket(self, kind: int, capacity: int) -> zmq.Socket:
        socket = self._context.socket(kind)
        self._sockets.append(socket)
        socket.setsockopt(zmq.MAXMSGSIZE, HEADER_LIMIT_BYTES + PAYLOAD_LIMIT_BYTES)
        socket.setsockopt(zmq.SNDHWM, capacity)  # before bind and connect: later it would not count
        socket.setsockopt(zmq.RCVHWM, capacity)
        return socket

    def _bind(self, socket: zmq.Socket, endpoint: str) -> None:
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as e:
            raise InputError(f"address not free, {endpoint}, {e.strerror}: stop the other user or choose another") from None

        if endpoint.startswith("ipc://"):
            self._bound.append(Path(endpoint.removeprefix("ipc://")))

    def inbox(self, name: str) -> ZmqInbox:
        """Binds `folder/name`."""
        socket = self._socket(zmq.PULL, CAPACITY.get(name, DEFAULT_CAPACITY))
        self._bind(socket, f"ipc://{self.folder / name}")
        self._poller.register(socket, zmq.POLLIN)
        return ZmqInbox(socket)

    def outbox(self, name: str) -> ZmqOutbox:
        """Connects to `folder/name`."""
        socket = self._socket(zmq.PUSH, CAPACITY.get(name, DEFAULT_CAPACITY))
        socket.setsockopt(zmq.IMMEDIATE, 1)  # a receiver that is not there must refuse, not collect
        socket.setsockopt(zmq.RECONNECT_IVL, 20)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        socket.connect(f"ipc://{self.folder / name}")
        return ZmqOutbox(socket)

    def broadcast(self, bind: str) -> ZmqBroadcast:
        """Binds an XPUB socket."""
        socket = self._socket(zmq.XPUB, 1000)
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # a second subscriber wants the present state too
        self._bind(socket, publisher_endpoint(bind, self.folder))
        self._poller.register(socket, zmq.POLLIN)
        return ZmqBroadcast(socket)

    def subscribe(self, bind: str, *topics: str) -> ZmqInbox:
        """What the broadcast bound at `bind` says from now on: of these kinds, by default everything."""
        socket = self._socket(zmq.SUB, 1000)
        for topic in topics or ("",):
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        socket.connect(publisher_endpoint(bind, self.folder))
        self._poller.register(socket, zmq.POLLIN)
        return ZmqInbox(socket, topics=True)

    def wait(self, timeout_ms: int) -> None:
        """Return when a socket has something, or after `timeout_ms`."""
        if self._poller.sockets:
            self._poller.poll(timeout_ms)
        else:  # a poller without sockets returns at once: a stage that hears nobody would spin
            time.sleep(timeout_ms / 1000)

    def close(self) -> None:
        """Close every socket; last words have LINGER_MS to leave."""
        for socket in self._sockets:
            socket.close(linger=LINGER_MS)
        self._context.term()
        for path in self._bound:  # libzmq leaves its files behind
            path.unlink(missing_ok=True)


class MemoryQueue:
    """Inbox and outbox in one."""

    def __init__(self, capacity: int) -> None:
        self._queue: deque[list[Payload]] = deque()
        self._capacity = capacity
        self.refused = 0

    def send(self, message: Message, *payloads: Payload) -> bool:
        """False when full."""
        if len(self._queue) >= self._capacity:
            return False
        self._queue.append([bytes(p) for p in encode(message, payloads)])
        return True

    def receive(self) -> Received | None:
        """The oldest message, or None."""
        return decode(list(self._queue.popleft())) if self._queue else None


class MemoryBroadcast:
    """Keeps what was published in `heard`, the latest thousand."""

    def __init__(self) -> None:
        self.heard: deque[Message] = deque(maxlen=1000)

    def publish(self, message: Message) -> None:
        """Encoded and decoded like everything else."""
        self.heard.append(decode(encode(message))[0])

    def joined(self) -> bool:
        """Nobody joins later."""
        return False


class MemoryLink:
    """Queues inside one process, for replay, tests and breakpoints."""

    def __init__(self) -> None:
        self._queues: dict[str, MemoryQueue] = {}
        self.broadcasts: list[MemoryBroadcast] = []

    def inbox(self, name: str) -> MemoryQueue:
        """The queue called `name`."""
        return self._queues.setdefault(name, MemoryQueue(CAPACITY.get(name, DEFAULT_CAPACITY)))

    def outbox(self, name: str) -> MemoryQueue:
        """The same queue."""
        return self.inbox(name)

    def broadcast(self, bind: str) -> MemoryBroadcast:
        """A listener's ear."""
        self.broadcasts.append(MemoryBroadcast())
        return self.broadcasts[-1]

    def wait(self, timeout_ms: int) -> None:
        """Nothing comes from outside."""

    def close(self) -> None:
        """Nothing to close."""
