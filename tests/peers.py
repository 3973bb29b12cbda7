"""Peers of a line's publisher that are no processes of the line.

`python -m tests.peers ADDRESS TOPICS [KEYS NAME]` does not stop. It subscribes to so many topics that are none, says so, and
from then on throws garbage at the address. Whenever it is hung up on, libzmq comes back and names all topics again.
"""

from __future__ import annotations

import contextlib
import itertools
import socket as plain
import sys
from pathlib import Path

import zmq
from zmq.auth import load_certificate

Pair = tuple[bytes, bytes]
GARBAGE = (b"\x80\x04K\x01." * 10_000, b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(65_000))


def free_port(host: str = "127.0.0.1") -> int:
    """One that nobody has just now."""
    with plain.socket(plain.AF_INET6 if ":" in host else plain.AF_INET) as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


def pair_of(keys: Path, name: str) -> Pair:
    """A client's two keys."""
    public, secret = load_certificate(keys / f"{name}.key_secret")
    assert secret is not None
    return public, secret


class Peers:
    """Sockets of a context of their own, closed together."""

    def __init__(self) -> None:
        self._context, self._sockets = zmq.Context(), list[zmq.Socket]()

    def socket(self, kind: int, address: str, keys: Path | None = None, pair: Pair | None = None, **options: int) -> zmq.Socket:
        """One more that connects to the address: to the line of those keys with that pair, or with none."""
        peer: zmq.Socket = self._context.socket(kind)
        self._sockets.append(peer)
        for name, value in options.items():
            setattr(peer, name, value)
        if pair is not None:
            assert keys is not None
            peer.curve_serverkey = load_certificate(keys / "server.key")[0]
            peer.curve_publickey, peer.curve_secretkey = pair
        peer.connect(address)
        return peer

    def ear(
        self, address: str, keys: Path | None = None, pair: Pair | None = None, topic: bytes = b"", **options: int
    ) -> zmq.Socket:
        """One that listens to everything, or to that topic."""
        peer = self.socket(zmq.SUB, address, keys, pair, **options)
        peer.subscribe(topic)
        return peer

    def close(self) -> None:
        """None of them says or hears more."""
        for each in self._sockets:
            each.close(linger=0)
        self._context.term()


def flood(address: str, topics: int, keys: Path | None = None, pair: Pair | None = None) -> None:
    """Until this process is killed."""
    peer = Peers().socket(zmq.XSUB, address, keys, pair, sndhwm=0)
    for n in range(topics):
        peer.send(b"\x01" + b"%08d" % (n * 7919 % 10**8) * 8)
    print("said", flush=True)
    host, _, port = address.partition("://")[2].partition(":")
    family, where = (plain.AF_INET, (host, int(port))) if port else (plain.AF_UNIX, host)
    for garbage in itertools.cycle(GARBAGE):
        with contextlib.suppress(OSError), plain.socket(family) as thrown:
            thrown.settimeout(1)
            thrown.connect(where)
            thrown.sendall(garbage)


if __name__ == "__main__":
    address, topics, *who = sys.argv[1:]
    flood(address, int(topics), *((Path(who[0]), pair_of(Path(who[0]), who[1])) if who else ()))
