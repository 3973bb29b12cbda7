"""Messages over ZeroMQ, between processes."""

from __future__ import annotations

import errno
import os
import resource
import socket as sockets
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import zmq

from glass_core.errors import AbsentError, InputError
from glass_core.files import private_folder
from pipeline.link.curve import Gate, protect
from pipeline.link.keys import read_keys
from pipeline.link.protocol import CAPACITY, DEFAULT_CAPACITY, LINGER_MS, MAX_BAD, PORTION, Received
from pipeline.link.wire import MAX_PAYLOAD_BYTES, TYPES, DecodeError, decode, encode
from pipeline.messages.domains import MAX_HEADER_BYTES
from pipeline.messages.message import Message, Payload
from pipeline.telemetry import Refusals

TOPICS = frozenset(sign + topic for sign in (b"\x00", b"\x01") for topic in (b"", *(name.encode() for name in TYPES)))
"""What a subscriber may say: that it leaves or joins everything, or the messages of one kind."""
MAX_TOPIC_BYTES = 1024
"""Longest message that a subscriber may send; the longest are no topics but the handshake of an encrypted connection."""
PICTURES = 32
"""Small pictures that wait on each side of a connection: a MB or two for one who does not read."""


def publisher_endpoint(bind: str, folder: Path) -> str:
    """Where the line's own processes hear it: in its own folder, also when others hear it over TCP."""
    return f"ipc://{folder / 'publisher'}" if bind == "ipc://auto" or bind.startswith("tcp://") else bind


def pictures_endpoint(folder: Path) -> str:
    """Where a line's small pictures are to be had."""
    return f"ipc://{folder / 'pictures'}"


class ZmqInbox:
    """A PULL or SUB socket."""

    def __init__(self, socket: zmq.Socket, topics: bool = False) -> None:
        self._socket = socket
        self._first_part = 1 if topics else 0
        self.refused = Refusals()

    def receive(self) -> Received | None:
        """The next good message; bad ones are counted and dropped, MAX_BAD at a time."""
        for _ in range(MAX_BAD):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return None
            try:
                return decode([p.buffer for p in parts[self._first_part :]])
            except DecodeError as e:
                self.refused.count(e.sender)
        return None


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
    """An XPUB socket; the message's type is its topic.

    libzmq keeps every topic that a subscriber names for as long as it is connected, without a limit. So one that names
    another than ours, or more of ours at once than there are kinds, is hung up on, and its topics go with it.

    `addresses`: where it is bound, each a path or a TCP port.
    """

    def __init__(self, socket: zmq.Socket, addresses: frozenset[str | int], gate: Gate | None = None) -> None:
        self._socket, self._addresses, self._gate = socket, addresses, gate
        self._words = Counter[int]()
        """Of each connection, by its descriptor, since the last time that nobody said anything."""

    def publish(self, message: Message, *payloads: Payload) -> None:
        """To every present subscriber."""
        self._socket.send_multipart([type(message).__name__.encode(), *encode(message, payloads)], zmq.NOBLOCK)

    def joined(self) -> bool:
        """Whether somebody subscribed since the last call, heard a portion at a time; those with a key are let in."""
        if self._gate is not None:
            self._gate.answer()
        seen = False
        for heard in range(PORTION):
            try:
                frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                if not heard:
                    self._words.clear()
                break
            with suppress(zmq.ZMQError):  # who is gone has no descriptor
                peer = int(frame.get(zmq.SRCFD))
                self._words[peer] += 1
                if frame.bytes not in TOPICS or self._words[peer] > len(TYPES) + 1:
                    _hang_up(peer, self._addresses)
                    continue
            seen |= frame.bytes in TOPICS and frame.bytes.startswith(b"\x01")
        return seen


def _hang_up(descriptor: int, addresses: frozenset[str | int]) -> None:
    """End a connection of libzmq's to one of these addresses; libzmq clears up after it.

    Who said the word may be gone, and its descriptor somebody else's. An honest subscriber that is hit so comes back. What
    came in by an inbox would be lost, so no other connection is touched.
    """
    with suppress(OSError):  # gone already, or no connection
        connection = sockets.socket(fileno=descriptor)
        try:
            own = connection.getsockname()  # an IP address, its port, and for IPv6 two more; or a path
            if (own if isinstance(own, str) else own[1]) in addresses:
                connection.shutdown(sockets.SHUT_RDWR)
        finally:
            connection.detach()  # libzmq closes it


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_ctime_ns  # a number alone may be given to the next file


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
        self._bound: dict[Path, tuple[int, int]] = {}
        """Each socket's file, and which one it was."""
        self.strangers = Refusals()
        """Who was not let in over TCP, by address."""

    def _socket(self, kind: int, capacity: int, max_bytes: int = MAX_HEADER_BYTES + MAX_PAYLOAD_BYTES) -> zmq.Socket:
        try:
            socket = self._context.socket(kind)
        except zmq.ZMQError as e:
            raise InputError(f"no more sockets, {self.folder}, {e.strerror}: raise the limit of open files") from None
        self._sockets.append(socket)
        socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
        socket.setsockopt(zmq.SNDHWM, capacity)  # before bind and connect: later it would not count
        socket.setsockopt(zmq.RCVHWM, capacity)
        return socket

    def _bind(self, socket: zmq.Socket, endpoint: str) -> None:
        path = Path(endpoint.removeprefix("ipc://")) if endpoint.startswith("ipc://") else None
        if path is not None and path.exists() and not path.is_socket():  # libzmq would delete it
            raise InputError(f"address not free, {endpoint}, it is not a socket: choose another")
        others = os.umask(0o077)  # only this user may connect
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as e:
            if e.errno in (errno.EADDRNOTAVAIL, errno.ENODEV):
                words = f"no such address here, {endpoint}, see that the network is up or choose another"
                raise AbsentError(words) from None
            raise InputError(f"address not free, {endpoint}, {e.strerror}: stop the other user or choose another") from None
        finally:
            os.umask(others)
        if path is not None:
            with suppress(OSError):  # removed already
                self._bound[path] = _identity(path)

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

    def pictures(self) -> ZmqBroadcast:
        """Small pictures for whoever watches the line from this machine; nothing is sent where nobody subscribes."""
        endpoint = pictures_endpoint(self.folder)
        socket = self._publisher(PICTURES)
        self._bind(socket, endpoint)
        self._poller.register(socket, zmq.POLLIN)
        return ZmqBroadcast(socket, frozenset({endpoint.removeprefix("ipc://")}))

    def broadcast(self, bind: str, keys: Path | None = None) -> ZmqBroadcast:
        """Binds an XPUB socket; over TCP as well, for clients whose keys are in the folder `keys`."""
        socket = self._publisher(1000)
        within = publisher_endpoint(bind, self.folder)
        self._bind(socket, within)
        addresses: set[str | int] = {within.removeprefix("ipc://")}
        gate = None
        if bind.startswith("tcp://"):
            gate = self._open_tcp(socket, bind, keys)
            addresses.add(int(bind.rpartition(":")[2]))
        self._poller.register(socket, zmq.POLLIN)
        return ZmqBroadcast(socket, frozenset(addresses), gate)

    def _open_tcp(self, socket: zmq.Socket, bind: str, keys: Path | None) -> Gate:
        """Let clients in over TCP; this process may then open as many files as the system lets it."""
        if keys is None:
            raise InputError(f"no keys, {bind}, make some with `glassline keys` or use ipc://auto")
        own = read_keys(keys)
        gate = Gate(self._context, own.clients, self.strangers)
        self._sockets.append(gate.socket)
        self._poller.register(gate.socket, zmq.POLLIN)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # strangers must not use up what the line's own processes need
        protect(socket, own, bind)
        self._bind(socket, bind)
        gate.prove(socket.getsockopt_string(zmq.LAST_ENDPOINT), own.public)
        return gate

    def _publisher(self, capacity: int) -> zmq.Socket:
        """An XPUB socket; a subscriber that does not read loses what is said beyond `capacity` messages."""
        socket = self._socket(zmq.XPUB, capacity, MAX_TOPIC_BYTES)
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # a second subscriber wants the present state too
        socket.setsockopt(zmq.RCVHWM, 1)  # else libzmq takes in all that a flood brings before we see the first of it
        return socket

    def watch(self) -> ZmqInbox:
        """The line's small pictures from now on; nothing is sent any more once this link is closed."""
        return self._subscribe(pictures_endpoint(self.folder), PICTURES)

    def subscribe(self, bind: str, *topics: str) -> ZmqInbox:
        """What the broadcast bound at `bind` says from now on: of these kinds, by default everything."""
        return self._subscribe(publisher_endpoint(bind, self.folder), 1000, *topics)

    def _subscribe(self, endpoint: str, capacity: int, *topics: str) -> ZmqInbox:
        socket = self._socket(zmq.SUB, capacity)
        for topic in topics or ("",):
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        socket.connect(endpoint)
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
        for path, made in self._bound.items():  # libzmq leaves its files behind
            with suppress(OSError):
                if _identity(path) == made:  # and not that of another line, or of our successor
                    path.unlink()
