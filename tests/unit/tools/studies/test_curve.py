"""The study's link carries pictures over TCP, encrypted, to the line's own processes alone."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import zmq

from pipeline.link.protocol import portion
from pipeline.link.wire import encode
from pipeline.messages.commands import Bypass
from pipeline.messages.frames import Frame
from pipeline.messages.message import Message
from tests.peers import Peers
from tools.studies.curve import CurveLink, make_link

SHAPE = 700, 900


def test_a_picture_comes_over_tcp_and_a_strangers_word_does_not(tmp_path: Path) -> None:
    link, publisher = make_link("curve", tmp_path)
    with closing(link), closing(CurveLink(link.folder)) as other, closing(Peers()) as peers:
        assert isinstance(link, CurveLink) and publisher["bind"] == link.address("publisher")
        inbox, outbox = link.inbox("worker"), other.outbox("worker")
        (link.folder / "worker").unlink()  # nobody comes in there any more
        stranger = peers.socket(zmq.PUSH, link.address("worker"), tmp_path / "keys", zmq.curve_keypair())
        stranger.send_multipart(encode(Bypass(on=True)))
        frame = Frame(
            camera="c", boot_id="b", seq=7, t_mono_ns=0, t_utc_ns=0, block_id=7, shape=SHAPE, pixel_format="Mono8"
        )  # fmt: skip
        pixels = bytes(range(250)) * (SHAPE[0] * SHAPE[1] // 250)
        heard: list[tuple[Message, bytes]] = []
        told, end_s = False, time.monotonic() + 20
        while not (heard and link.strangers.total):
            assert time.monotonic() < end_s, (heard, link.strangers.by_sender)
            told = told or outbox.send(frame, pixels)
            heard += [(message, bytes(payloads[0])) for message, payloads in portion(inbox)]
            link.wait(5)
        assert heard == [(frame, pixels)] and link.strangers.by_sender.keys() == {"127.0.0.1"}
