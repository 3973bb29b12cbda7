"""Both ways of travelling keep the same promises."""

import os
import socket as plain
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import zmq

from glass_core.errors import InputError
from pipeline.link import wire
from pipeline.link.keys import make_keys
from pipeline.link.memory_link import MemoryLink, MemoryQueue
from pipeline.link.protocol import MAX_BAD, PORTION, Inbox, Link, Received, portion
from pipeline.link.zmq_link import MAX_TOPIC_BYTES, ZmqLink, _hang_up
from pipeline.messages.commands import Bypass
from pipeline.messages.domains import MAX_HEADER_BYTES
from pipeline.messages.frames import Frame
from pipeline.messages.line import LineState
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState, State
from tests.peers import Peers

STATE = LineState(number=0, generation=0, state=State.READY, inspection_ok=False, t_mono_ns=0, t_utc_ns=0, detail="x" * 300)


def frame(seq: int, size: int = 64) -> Frame:
    """A frame whose pixels are its number."""
    return Frame(
        camera="c", boot_id="b", seq=seq, t_mono_ns=0, t_utc_ns=0, block_id=seq, shape=(size, size), pixel_format="Mono8"
    )


@pytest.fixture(params=["zmq", "memory"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Link]:
    made: Link = ZmqLink(tmp_path / "line") if request.param == "zmq" else MemoryLink()
    yield made
    made.close()


def receive(link: Link, inbox: Inbox) -> Received:
    """The next message, waited for."""
    end_s = time.monotonic() + 5
    while time.monotonic() < end_s:
        if received := inbox.receive():
            return received
        link.wait(20)
    raise AssertionError("nothing came")


def sent(link: Link, outbox: object, *parts: object) -> None:
    """Send, waiting for the connection."""
    end_s = time.monotonic() + 5
    while not outbox.send(*parts):  # type: ignore[attr-defined]
        assert time.monotonic() < end_s, "never accepted"
        link.wait(5)


def test_messages_arrive_in_order_with_their_pixels(link: Link) -> None:
    inbox, outbox = link.inbox("decision"), link.outbox("decision")
    for seq in range(5):
        sent(link, outbox, frame(seq), bytes([seq]) * 4096)
    for seq in range(5):
        message, payloads = receive(link, inbox)
        assert message == frame(seq) and bytes(payloads[0]) == bytes([seq]) * 4096
    assert inbox.receive() is None


def test_a_full_inbox_refuses_and_loses_nothing_it_accepted(link: Link) -> None:
    inbox, outbox = link.inbox("worker"), link.outbox("worker")
    size = 1024  # larger than the sockets' own buffers
    sent(link, outbox, frame(0, size), bytes(size * size))
    accepted = 1
    for seq in range(1, 60):
        if not outbox.send(frame(seq, size), bytes(size * size)):
            break
        accepted += 1
    assert accepted < 30
    got = [receive(link, inbox)[0] for _ in range(accepted)]
    assert [f.seq for f in got if isinstance(f, Frame)] == list(range(accepted))


def test_a_receiver_that_is_absent_refuses(tmp_path: Path) -> None:
    link = ZmqLink(tmp_path / "line")
    try:
        assert not link.outbox("nobody").send(Bypass(on=True))
    finally:
        link.close()


def test_what_is_not_ours_is_counted_and_dropped(tmp_path: Path) -> None:
    link = ZmqLink(tmp_path / "line")
    stranger = zmq.Context()
    push = stranger.socket(zmq.PUSH)
    push.linger = 0
    try:
        inbox = link.inbox("decision")
        push.connect(f"ipc://{tmp_path / 'line' / 'decision'}")
        push.send(b"\x80\x04K\x01.")
        push.send_multipart([b"x" * 10_000, b"y"])
        outbox = link.outbox("decision")
        sent(link, outbox, Bypass(on=True))
        end_s = time.monotonic() + 5
        seen: list[Any] = []
        while (inbox.refused.by_sender.total() < 2 or not seen) and time.monotonic() < end_s:
            if received := inbox.receive():
                seen.append(received[0])
            link.wait(10)
        assert inbox.refused.by_sender == {"unknown": 2} and seen == [Bypass(on=True)]
    finally:
        push.close()
        stranger.term()
        link.close()


def test_subscribers_hear_from_now_on_and_a_late_one_is_noticed(tmp_path: Path) -> None:
    link = ZmqLink(tmp_path / "line")
    try:
        broadcast = link.broadcast("ipc://auto")
        assert not broadcast.joined()
        ear = link.subscribe("ipc://auto", "LineState")
        end_s = time.monotonic() + 5
        while not broadcast.joined():
            assert time.monotonic() < end_s
            link.wait(10)
        broadcast.publish(Motion(position_mm=0, speed_mm_s=0, state=MotionState.STOPPED, source="s", t_mono_ns=0))
        broadcast.publish(STATE)
        assert receive(link, ear)[0] == STATE
        assert not broadcast.joined()
        second = link.subscribe("ipc://auto", "LineState")  # of what somebody hears already
        end_s = time.monotonic() + 5
        while not broadcast.joined():
            assert time.monotonic() < end_s, "who comes second is not noticed"
            link.wait(10)
        broadcast.publish(STATE)
        assert receive(link, second)[0] == receive(link, ear)[0] == STATE
    finally:
        link.close()


def test_what_is_too_long_to_be_ours_is_not_taken_in(tmp_path: Path) -> None:
    link = ZmqLink(tmp_path / "line")
    link.inbox("decision")
    link.broadcast("ipc://auto")
    inbox, publisher = link._sockets
    assert inbox.getsockopt(zmq.MAXMSGSIZE) == MAX_HEADER_BYTES + wire.MAX_PAYLOAD_BYTES
    assert publisher.getsockopt(zmq.MAXMSGSIZE) == MAX_TOPIC_BYTES
    link.close()


def test_last_words_reach_who_reads_them_and_nobody_else_holds_up_the_end(tmp_path: Path) -> None:
    for reads in (True, False):
        here, there = ZmqLink(tmp_path / "line"), ZmqLink(tmp_path / "line")
        inbox, outbox = here.inbox("decision"), there.outbox("decision")
        sent(there, outbox, frame(0, 512), bytes(512 * 512))
        told = 1
        while outbox.send(frame(told, 512), bytes(512 * 512)):  # 256 KB each, more than the system holds between the two
            told += 1
        end = threading.Thread(target=there.close, daemon=True)
        end.start()
        heard = [receive(here, inbox)[0] for _ in range(told)] if reads else []
        end.join(30)
        assert not end.is_alive(), "it waits for one who does not read"
        assert [m.seq for m in heard if isinstance(m, Frame)] == list(range(told) if reads else ())
        here.close()


def test_pictures_reach_who_watches_and_a_watcher_that_does_not_read_holds_a_few(tmp_path: Path) -> None:
    line, viewer, stalled = (ZmqLink(tmp_path / "line") for _ in range(3))
    pictures = line.pictures()
    pictures.publish(frame(0), bytes(64 * 64))  # nobody watches
    inbox, lazy, end_s = viewer.watch(), stalled.watch(), time.monotonic() + 0.5
    while time.monotonic() < end_s:
        pictures.joined()
        line.wait(20)
    seen = []
    for seq in range(1, 301):
        pictures.publish(frame(seq, 128), bytes([seq % 256]) * 128 * 128)
        viewer.wait(200)
        for message, payloads in portion(inbox):
            assert isinstance(message, Frame) and bytes(payloads[0][:1]) == bytes([message.seq % 256])
            seen.append(message.seq)
    assert len(seen) > 290 and seen == sorted(seen)  # libzmq drops one for all as a queue runs full
    late = 0
    while lazy.receive():
        late += 1
        stalled.wait(50)
    assert 0 < late < 150  # its two queues and what the system holds between them
    for link in (line, viewer, stalled):
        link.close()


def test_a_taken_address_and_an_open_folder_are_refused(tmp_path: Path) -> None:
    blocker = zmq.Context()
    link = ZmqLink(tmp_path / "line")
    make_keys(tmp_path / "keys", ["plc"])
    socket = blocker.socket(zmq.PULL)
    try:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(InputError, match="address not free"):
            link.broadcast(f"tcp://127.0.0.1:{port}", tmp_path / "keys")
    finally:
        socket.close()
        blocker.term()
        link.close()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="XDG_RUNTIME_DIR"):
        ZmqLink(tmp_path / "file" / "line")
    (tmp_path / "own").mkdir(0o700)
    (tmp_path / "bait").symlink_to(tmp_path / "own")  # what a stranger could lay into /tmp
    with pytest.raises(InputError, match="open to others"):
        ZmqLink(tmp_path / "bait")
    os.mkdir(tmp_path / "open", 0o755)  # noqa: PTH102 - the mode must not pass through the umask of Path.mkdir's default
    with pytest.raises(InputError, match="open to others"):
        ZmqLink(tmp_path / "open")


def test_a_stage_that_hears_nobody_sleeps_too(tmp_path: Path) -> None:
    link = ZmqLink(tmp_path / "line")
    link.outbox("decision")
    start_s = time.monotonic()
    link.wait(20)
    assert time.monotonic() - start_s >= 0.02
    link.close()


def test_memory_drops_what_is_not_ours_too_and_goes_on() -> None:
    queue = MemoryLink().inbox("decision")
    odd = bytes(wire.encode(Bypass(on=True))[0]) + b"x"
    for parts in ([b""], [b"\xc1"], [odd], wire.encode(Bypass(on=True))):
        assert queue.send_parts(list(parts))
    assert (received := queue.receive()) is not None and received[0] == Bypass(on=True)
    assert queue.receive() is None and queue.refused.by_sender == {"unknown": 3}


def test_of_many_bad_messages_a_portion_is_dropped_at_a_time() -> None:
    queue = MemoryQueue(1000)
    for _ in range(MAX_BAD + 1):
        assert queue.send_parts([b"\xc1"])
    assert queue.send(Bypass(on=True))
    assert queue.receive() is None and queue.refused.by_sender == {"unknown": MAX_BAD}
    assert receive(MemoryLink(), queue)[0] == Bypass(on=True)


def test_a_portion_leaves_the_rest_in_its_order() -> None:
    queue = MemoryQueue(1000)
    for seq in range(PORTION + 3):
        assert queue.send(frame(seq), bytes(64 * 64))
    seqs = [[m.seq for m, _ in portion(queue) if isinstance(m, Frame)] for _ in range(3)]
    assert seqs == [list(range(PORTION)), list(range(PORTION, PORTION + 3)), []]


def test_a_portion_goes_on_behind_bad_messages_and_ends_all_the_same() -> None:
    queue = MemoryQueue(1000)
    for _ in range(3 * MAX_BAD):
        assert queue.send_parts([b"\xc1"])
    assert queue.send(Bypass(on=True))
    assert [m for m, _ in portion(queue)] == [Bypass(on=True)] and queue.refused.total == 3 * MAX_BAD
    for _ in range(3 * MAX_BAD):
        assert queue.send_parts([b"\xc1"])
    assert queue.send(Bypass(on=True))
    assert [*portion(queue, 3)] == [] and [m for m, _ in portion(queue, 1)] == [Bypass(on=True)]


class Strangers(Peers):
    """Peers of the broadcast that are no processes of a line."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def say(self, words: list[bytes]) -> zmq.Socket:
        """One more says so to the broadcast; what is returned tells when it is hung up on."""
        peer = self.socket(zmq.XSUB, self._address, sndhwm=0, rcvhwm=10)
        events = peer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._sockets.append(events)
        for word in words:
            peer.send(word)
        return events


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[Strangers]:
    with closing(Strangers(f"ipc://{tmp_path / 'line' / 'publisher'}")) as made:
        yield made


@pytest.mark.parametrize(
    "words",
    [
        [b"\x01Verdict", b"\x01Verdicts"],
        [b"\x01V"],
        [b"hello"],
        [b"\x01" + b"Verdict" * 1000],
        [b"\x01Verdict", b"\x00Verdict"] * 100,
    ],
)
def test_a_subscriber_that_asks_for_what_is_not_ours_or_does_not_stop_is_hung_up_on(
    tmp_path: Path, strangers: Strangers, words: list[bytes]
) -> None:
    link = ZmqLink(tmp_path / "line")
    try:
        broadcast = link.broadcast("ipc://auto")
        ear = link.subscribe("ipc://auto", "LineState")
        events = strangers.say(words)
        end_s = time.monotonic() + 5
        while not events.poll(0):
            assert time.monotonic() < end_s, "it is still connected"
            broadcast.joined()
            link.wait(5)
        broadcast.publish(STATE)
        assert receive(link, ear)[0] == STATE  # the others are served as before
    finally:
        link.close()


def connections_to(path: Path) -> list[int]:
    """This process's own ends of what is connected to that socket file."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # a file of the listing itself, or no socket
            if str(entry.readlink()).startswith("socket:"):
                with plain.socket(fileno=os.dup(int(entry.name))) as connection:
                    listens = connection.getsockopt(plain.SOL_SOCKET, plain.SO_ACCEPTCONN)
                    if connection.getsockname() == str(path) and not listens:
                        found.append(int(entry.name))
    return found


def test_an_inbox_that_has_the_descriptor_of_a_subscriber_who_is_gone_is_not_hung_up_on(
    tmp_path: Path, strangers: Strangers
) -> None:
    link = ZmqLink(tmp_path / "line")
    try:
        broadcast, inbox = link.broadcast("ipc://auto"), link.inbox("decision")
        outbox = link.outbox("decision")
        sent(link, outbox, Bypass(on=True))
        assert receive(link, inbox)[0] == Bypass(on=True)
        (of_inbox,) = connections_to(link.folder / "decision")
        _hang_up(of_inbox, broadcast._addresses)
        sent(link, outbox, Bypass(on=False))
        assert receive(link, inbox)[0] == Bypass(on=False)
        assert connections_to(link.folder / "decision") == [of_inbox]  # the connection of before
        events = strangers.say([b"\x01Verdict"])
        while not broadcast.joined():
            link.wait(5)
        (of_subscriber,) = connections_to(link.folder / "publisher")
        _hang_up(of_subscriber, broadcast._addresses)
        assert events.poll(5000)
    finally:
        link.close()


def test_many_subscribers_that_ask_for_every_kind_are_no_flood(tmp_path: Path, strangers: Strangers) -> None:
    link = ZmqLink(tmp_path / "line")
    try:
        broadcast = link.broadcast("ipc://auto")
        every = [b"\x01", *(b"\x01" + name.encode() for name in wire.TYPES)]
        ends = [strangers.say(every) for _ in range(6)]
        quiet = 0
        while quiet < 20:
            quiet = 0 if broadcast.joined() else quiet + 1
            link.wait(5)
        assert not any(events.poll(0) for events in ends)
    finally:
        link.close()


def rss_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def test_a_flood_of_topics_costs_no_memory(tmp_path: Path) -> None:
    link = ZmqLink(tmp_path / "line")
    try:
        broadcast = link.broadcast("ipc://auto")
        address = f"ipc://{link.folder / 'publisher'}"
        before_mib = rss_mib()
        with subprocess.Popen([sys.executable, "-m", "tests.peers", address, "40000"], stdout=subprocess.PIPE) as flooder:
            try:
                assert flooder.stdout is not None
                os.set_blocking(flooder.stdout.fileno(), False)
                end_s = time.monotonic() + 30
                while not flooder.stdout.read():
                    assert time.monotonic() < end_s
                    broadcast.joined()
                    link.wait(5)
                assert rss_mib() - before_mib < 30  # kept, they would cost 150 MiB, and stay
            finally:
                flooder.kill()
    finally:
        link.close()


def test_a_subscriber_that_does_not_read_costs_what_its_queue_holds(tmp_path: Path, strangers: Strangers) -> None:
    link = ZmqLink(tmp_path / "line")
    try:
        broadcast = link.broadcast("ipc://auto")
        strangers.say([b"\x01"])
        while not broadcast.joined():
            link.wait(5)
        before_mib = rss_mib()
        for _ in range(60_000):
            broadcast.publish(STATE)
        assert rss_mib() - before_mib < 10  # all of them would be 20 MiB and more
    finally:
        link.close()
