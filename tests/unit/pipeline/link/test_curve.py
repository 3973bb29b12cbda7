"""Over TCP a line is heard by clients whose key it knows, and by nobody else."""

from __future__ import annotations

import socket as plain
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from glass_core.errors import InputError
from pipeline.link import curve
from pipeline.link.keys import make_keys
from pipeline.link.zmq_link import ZmqBroadcast, ZmqLink
from pipeline.messages.line import LineState
from pipeline.messages.states import State
from tests.peers import Pair, Peers, free_port, pair_of

STATE = LineState(number=0, generation=0, state=State.READY, inspection_ok=False, t_mono_ns=0, t_utc_ns=0)
NULL: Pair | None = None


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys", ["plc"])
    return tmp_path / "keys"


@pytest.fixture
def link(tmp_path: Path) -> Iterator[ZmqLink]:
    made = ZmqLink(tmp_path / "line")
    yield made
    made.close()


@pytest.fixture
def peers() -> Iterator[Peers]:
    with closing(Peers()) as made:
        yield made


def spoken(broadcast: ZmqBroadcast, link: ZmqLink, seconds: float, *ears: zmq.Socket) -> list[bool]:
    """Say the state again and again: which ears hear it."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        broadcast.joined()
        broadcast.publish(STATE)
        link.wait(5)
    return [bool(ear.poll(0)) for ear in ears]


def hears_again(broadcast: ZmqBroadcast, link: ZmqLink, ear: zmq.Socket) -> bool:
    """Whether what is said from now on reaches it."""
    while ear.poll(0):
        ear.recv_multipart()
    end_s = time.monotonic() + 30
    while not (heard := bool(ear.poll(0))) and time.monotonic() < end_s:
        spoken(broadcast, link, 0.1)
    return heard


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "*", "[::1]"])
def test_a_known_client_hears_and_no_other_does(host: str, link: ZmqLink, keys: Path, peers: Peers) -> None:
    try:
        port = free_port("::1" if host == "[::1]" else "127.0.0.1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    broadcast = link.broadcast(f"tcp://{host}:{port}", keys)
    address = f"tcp://{'[::1]' if host == '[::1]' else '127.0.0.1'}:{port}"
    pairs = (pair_of(keys, "plc"), zmq.curve_keypair(), (pair_of(keys, "plc")[0], zmq.curve_keypair()[1]), NULL)
    ears = [peers.ear(address, keys, pair, ipv6=1) for pair in pairs]
    own = link.subscribe(f"tcp://{host}:{port}")
    assert spoken(broadcast, link, 1.0, *ears) == [True, False, False, False]
    assert (received := own.receive()) is not None and received[0] == STATE  # without a key, in the line's own folder
    assert ears[0].recv_multipart()[0] == b"LineState"
    assert sum(link.strangers.by_sender.values()) >= 1 and all("1" in who for who in link.strangers.by_sender)


def test_the_key_of_the_proof_lets_nobody_in_afterwards(
    link: ZmqLink, keys: Path, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs: list[tuple[bytes, bytes]] = []

    def keypair() -> tuple[bytes, bytes]:
        pairs.append(make())
        return pairs[-1]

    make = zmq.curve_keypair
    monkeypatch.setattr(curve.zmq, "curve_keypair", keypair)
    address = f"tcp://127.0.0.1:{free_port()}"
    broadcast = link.broadcast(address, keys)
    ears = [peers.ear(address, keys, pair, ipv6=1) for pair in (pairs[0], pair_of(keys, "plc"))]
    assert len(pairs) == 2 and spoken(broadcast, link, 0.5, *ears) == [False, True]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("all", "an unknown key gets in"),
        ("none", "a known key is refused"),
        ("open", "a known key is refused"),
        ("mute", "no answer"),
    ],
)
def test_a_line_whose_gate_does_not_hold_does_not_start(
    broken: str, said: str, link: ZmqLink, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    match broken:
        case "all":
            monkeypatch.setattr(curve.Gate, "_knows", lambda self, asked: True)
        case "none":
            monkeypatch.setattr(curve.Gate, "_knows", lambda self, asked: False)
        case "open":  # the address is bound as if there were no keys
            monkeypatch.setattr("pipeline.link.zmq_link.protect", lambda socket, keys, endpoint: None)
        case "mute":
            monkeypatch.setattr(curve.Gate, "answer", lambda self: None)
            monkeypatch.setattr(curve, "PROOF_S", 0.2)
    with pytest.raises(InputError, match=said):
        link.broadcast(f"tcp://127.0.0.1:{free_port()}", keys)


def test_without_keys_nothing_is_opened(link: ZmqLink) -> None:
    port = free_port()
    with pytest.raises(InputError, match="no keys"):
        link.broadcast(f"tcp://127.0.0.1:{port}")
    with plain.socket() as tried:
        assert tried.connect_ex(("127.0.0.1", port)) != 0


def test_what_is_not_exactly_the_question_is_refused(link: ZmqLink, keys: Path) -> None:
    gate = link.broadcast(f"tcp://127.0.0.1:{free_port()}", keys)._gate
    assert gate is not None
    key = next(iter(gate._clients))
    good = [b"1.0", b"1", b"glassline", b"127.0.0.1", b"", b"CURVE", key]
    assert gate._knows(good)
    for at, other in ((0, b"1.1"), (2, b""), (2, b"glassline2"), (5, b"NULL"), (5, b"PLAIN"), (6, key[:-1]), (6, b"")):
        assert not gate._knows([*good[:at], other, *good[at + 1 :]])
    assert not gate._knows(good[:-1]) and not gate._knows([*good, key]) and not gate._knows([])


def test_hostile_peers_are_counted_and_cut_off_and_the_known_one_hears(link: ZmqLink, keys: Path, peers: Peers) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    broadcast = link.broadcast(address, keys)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
    words = (b"", b"\x80\x04K\x01." * 100, greeting, greeting + b"\x06" + (1 << 40).to_bytes(8, "big"), greeting + b"\x04\x00")
    rogues = [plain.create_connection(("127.0.0.1", port)) for _ in range(50)]
    ear = peers.ear(address, keys, pair_of(keys, "plc"))
    for _ in range(20):
        peers.ear(address, keys, zmq.curve_keypair())
    try:
        for n, rogue in enumerate(rogues):
            rogue.sendall(words[n % len(words)])
        end_s = time.monotonic() + 30
        left = list(rogues)
        while left and time.monotonic() < end_s:
            assert hears_again(broadcast, link, ear)
            for rogue in list(left):
                rogue.setblocking(False)
                try:
                    if not rogue.recv(4096):
                        left.remove(rogue)
                except BlockingIOError:
                    continue
                except OSError:
                    left.remove(rogue)
        assert not left  # none may keep its connection
        assert link.strangers.by_sender["127.0.0.1"] >= 20
    finally:
        for rogue in rogues:
            rogue.close()


def test_a_socket_file_is_for_this_user_alone_and_no_other_file_is_deleted(link: ZmqLink, tmp_path: Path) -> None:
    link.broadcast(f"ipc://{tmp_path / 'elsewhere'}")
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) & 0o077 == 0
    (tmp_path / "precious").write_text("kept")
    with pytest.raises(InputError, match="not a socket"):
        link.broadcast(f"ipc://{tmp_path / 'precious'}")
    assert (tmp_path / "precious").read_text() == "kept"
