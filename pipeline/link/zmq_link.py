"""Messages over ZeroMQ, between processes."""

from __future__ import annotations

import time
from pathlib import Path

import zmq

from glass_core.errors import InputError
from glass_core.files import private_folder
from pipeline.link.protocol import CAPACITY, DEFAULT_CAPACITY, LINGER_MS, Received
from pipeline.link.wire import MAX_PAYLOAD_BYTES, DecodeError, decode, encode
from pipeline.messages.domains import MAX_HEADER_BYTES
from pipeline.messages.message import Message, Payload
from pipeline.telemetry import Refusals


def publisher_endpoint(bind: str, folder: Path) -> str:
    """`ipc://auto` means: in the line's own folder."""
    return f"ipc://{folder / 'publisher'}" if bind == "ipc://auto" else bind


class ZmqInbox:
    """A PULL or SUB socket."""

    def __init__(self, socket: zmq.Socket, topics: bool = False) -> None:
        self._socket = socket
        self._first_part = 1 if topics else 0
        self.refused = Refusals()

    def receive(self) -> Received | None:
        """The next good message; bad ones are counted and dropped."""
        while True:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return None
            try:
                return decode([p.buffer for p in parts[self._first_part :]])
            except DecodeError as e:
                self.refused.count(e.sender)


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
    private_folder.make_private(folder, "socket folder", "point XDG_RUNTIME_DIR at your own")


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
        try:
            socket = self._context.socket(kind)
        except zmq.ZMQError as e:
            raise InputError(f"no more sockets, {self.folder}, {e.strerror}: raise the limit of open files") from None
        self._sockets.append(socket)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_HEADER_BYTES + MAX_PAYLOAD_BYTES)
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
