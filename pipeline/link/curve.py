"""Who hears a line over TCP: clients whose public key is known, and nobody else.

The line is a CURVE server (https://rfc.zeromq.org/spec/26/). libzmq asks about each handshake over ZAP
(https://rfc.zeromq.org/spec/27/); the line answers from its own steps, a few at a time, without a thread.
"""

from __future__ import annotations

import time

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from glass_core.errors import InputError
from pipeline.link.keys import Keys
from pipeline.telemetry import Refusals

ZAP = "inproc://zeromq.zap.01"
DOMAIN = b"glassline"
PORTION = 16
"""Handshakes that are answered in one go; a flood of them waits, and the line goes on."""
HANDSHAKE_MS = 1000
"""Who has not got in by then is cut off."""
HEARTBEAT_MS, DEAD_MS = 5000, 15_000
"""A client whose machine is gone does not keep its connection."""
PROOF_S = 5.0

_HANDSHAKE = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)  # fmt: skip


def protect(socket: zmq.Socket, keys: Keys, endpoint: str) -> None:
    """For its next bind, to `endpoint`, a socket is a CURVE server; what it has bound before stays as it is."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without a gate nobody gets in, instead of everybody
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, DEAD_MS)
    socket.setsockopt(zmq.IPV6, "[" in endpoint)


class Gate:
    """Answers libzmq's questions about who may come in; `refused` counts those who may not, by their address."""

    def __init__(self, context: zmq.Context, clients: frozenset[bytes], refused: Refusals) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.bind(ZAP)
        self._clients, self._refused = clients, refused
        self._proof: bytes | None = None

    def answer(self) -> None:
        """Some of those who wait."""
        for _ in range(PORTION):
            try:
                asked = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            known = self._knows(asked)
            if not known and self._proof is None:
                self._refused.count(asked[3].decode("ascii", "replace") if len(asked) > 3 else "unknown")
            status = [b"200", b"OK"] if known else [b"400", b"not a client of this line"]
            self.socket.send_multipart([b"1.0", asked[1] if len(asked) > 1 else b"", *status, b"", b""])

    def _knows(self, asked: list[bytes]) -> bool:
        # version, request, domain, address, identity, mechanism, and for CURVE one credential: the client's public key
        if len(asked) != 7 or (asked[0], asked[2], asked[5]) != (b"1.0", DOMAIN, b"CURVE"):
            return False
        return asked[6] in self._clients or asked[6] == self._proof

    def prove(self, endpoint: str, server: bytes) -> None:
        """Knock at the bound address: a known key gets in, an unknown one and none do not. InputError otherwise."""
        known, unknown = zmq.curve_keypair(), zmq.curve_keypair()
        self._proof = z85.decode(known[0])
        try:
            for who, pair, wanted in (
                ("a known key", known, True),
                ("an unknown key", unknown, False),
                ("no key", None, False),
            ):
                admitted = self._knock(endpoint, server, pair)
                if admitted is not wanted:
                    what = {True: "gets in", False: "is refused", None: f"has no answer within {PROOF_S:g} s"}[admitted]
                    raise InputError(f"{who} {what}, {endpoint}, the line does not open it: see SECURITY.md, or use ipc://auto")
        finally:
            self._proof = None

    def _knock(self, endpoint: str, server: bytes, pair: tuple[bytes, bytes] | None) -> bool | None:
        visitor: zmq.Socket = self.socket.context.socket(zmq.SUB)
        visitor.setsockopt(zmq.IPV6, "[" in endpoint)
        visitor.setsockopt(zmq.RECONNECT_IVL, -1)
        if pair is not None:
            visitor.setsockopt(zmq.CURVE_SERVERKEY, server)
            visitor.setsockopt(zmq.CURVE_PUBLICKEY, pair[0])
            visitor.setsockopt(zmq.CURVE_SECRETKEY, pair[1])
        seen = visitor.get_monitor_socket(_HANDSHAKE)
        try:
            visitor.connect(endpoint)
            end_s = time.monotonic() + PROOF_S
            while time.monotonic() < end_s:
                self.answer()
                if seen.poll(1):
                    return bool(recv_monitor_message(seen)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED)
            return None
        finally:
            visitor.disable_monitor()
            for each in (seen, visitor):
                each.close(linger=0)
