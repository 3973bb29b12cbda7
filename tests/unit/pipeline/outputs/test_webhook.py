"""Signed POSTs to a real server on loopback: each once, repeated where it was in trouble, and nobody waits for a slow one."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.config.outputs import WebhookConfig
from pipeline.devices import DeviceLost
from pipeline.messages.actions import Reject
from pipeline.messages.line import LineState
from pipeline.messages.stages import Status
from pipeline.messages.states import Result, StageState, State
from pipeline.outputs.backlog import MAX_WAITING
from pipeline.outputs.documents import Document, Documents
from pipeline.outputs.webhook import MAX_RETRY_NS, RETRY_NS, WebhookOutput, make, trials
from tests.fakes import Box
from tests.mosquitto import free_port, until
from tests.unit.pipeline.outputs.name_server import hang_name_server

KEY = b"a key that nobody knows"


class Receiver:
    """A server that answers as it is told: statuses in turn, the last for ever; `pause_s` before each answer."""

    def __init__(self, *statuses: int, pause_s: float = 0.0) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        receiver, self.statuses, self.pause_s = self, [*statuses] or [204], pause_s

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
                time.sleep(receiver.pause_s)
                status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook?line=7"

    def kinds(self) -> list[tuple[str, int]]:
        said = [json.loads(body) for _, body in self.heard]
        return [(s["kind"], s["body"].get("reject", s["body"]).get("number", -1)) for s in said]


class Rig:
    """The stage, and what it hears; time goes as fast as the test says."""

    def __init__(self, folder: Path, url: str, **change: Any) -> None:
        key = folder / "key"
        key.write_bytes(KEY + b"\n")
        key.chmod(0o600)
        self.heard, self.decision = Box(), Box()
        self.config = WebhookConfig.model_validate({"kind": "webhook", "url": url, "key_file": str(key), **change})
        self.line = LineConfig.model_validate({"line": {"name": "l"}, "ledger": {"path": folder / "ledger.sqlite"}})
        self.stage: WebhookOutput = make(self.config, self.heard, self.decision, 1, self.line)
        self.now_ns = 10**12

    def step(self, ns: int = 0) -> None:
        """A step, and those in which the stage waits for what that one began."""
        self.now_ns += ns
        self.stage.step(self.now_ns)
        while self.stage.idle_ms < 20:
            time.sleep(0.001)
            self.stage.step(self.now_ns)

    def reject(self, number: int) -> None:
        self.heard.send(Reject(number=number, generation=0, verdict=number, camera="c", cause=Result.DEFECT, start_mm=1.0,
                               end_mm=2.0, t_mono_ns=0))  # fmt: skip

    def state(self, number: int) -> None:
        self.heard.send(LineState(number=number, generation=0, state=State.READY, inspection_ok=False, t_mono_ns=0, t_utc_ns=0))

    @property
    def told(self) -> Status:
        return self.decision.take(Status)[-1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_receiver_with_the_key_knows_who_said_it_and_when(receiver: Receiver, tmp_path: Path) -> None:
    rig = Rig(tmp_path, receiver.url)
    rig.state(0)
    rig.reject(0)
    rig.step()
    rig.step()
    assert receiver.kinds() == [("state", 0), ("reject", 0)]
    keys = set()
    for headers, body in receiver.heard:
        seconds = headers["x-glassline-time"]
        assert abs(int(seconds) - time.time_ns() / 1e9) < 60
        made = hmac.new(KEY, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers["x-glassline-signature"] == f"sha256={made}" and json.loads(body)["line"] == "l"
        keys.add(headers["idempotency-key"])
    assert len(keys) == 2 and KEY.decode() not in rig.config.model_dump_json()


def test_a_server_in_trouble_is_asked_again_with_the_same_key_and_told_of_the_outage(tmp_path: Path) -> None:
    with Receiver(503, 429, 204) as receiver:
        rig = Rig(tmp_path, receiver.url)
        rig.reject(0)
        rig.step()
        assert (told := rig.told).state is StageState.DEGRADED and "answers 503" in told.detail
        rig.step(RETRY_NS - 1)
        assert len(receiver.heard) == 1  # not yet
        rig.step(1)
        rig.step(2 * RETRY_NS)
        assert len({h["idempotency-key"] for h, _ in receiver.heard}) == 1 and len(receiver.heard) == 3
        rig.reject(1)
        rig.step()
        rig.step()
        assert receiver.kinds()[3:] == [("outage", -1), ("reject", 1)]
        assert json.loads(receiver.heard[3][1])["body"]["lost"] == {} and rig.told.state is StageState.READY


def test_a_message_that_is_refused_for_good_holds_up_no_other(tmp_path: Path) -> None:
    with Receiver(400, 204) as receiver:
        rig = Rig(tmp_path, receiver.url)
        rig.reject(0)
        rig.reject(1)
        rig.step()
        assert (told := rig.told).state is StageState.DEGRADED and "refuses what it is sent (400)" in told.detail
        for _ in range(3):
            rig.step(RETRY_NS)
        assert receiver.kinds() == [("reject", 0), ("outage", -1), ("reject", 1)]
        assert json.loads(receiver.heard[1][1])["body"]["lost"] == {"reject": 1}


def test_a_receiver_that_refuses_all_is_not_flooded_and_hears_of_each_notice(tmp_path: Path) -> None:
    with Receiver(401) as receiver:
        rig = Rig(tmp_path, receiver.url)
        for n in range(5):
            rig.state(n)
        for _ in range(50):
            rig.step()
        assert len(receiver.heard) == 1
        for _ in range(50):
            rig.step(RETRY_NS)
        assert [n for kind, n in receiver.kinds() if kind == "state"] == [0, 1, 2, 3, 4]
        assert len(receiver.heard) <= 10 and rig.stage.counters["lost"] == 5


def test_an_outage_is_told_only_where_it_was_asked_for(tmp_path: Path) -> None:
    with Receiver(400, 204) as receiver:
        rig = Rig(tmp_path, receiver.url, kinds=["reject"])
        rig.reject(0)
        rig.reject(1)
        for _ in range(4):
            rig.step(RETRY_NS)
        assert receiver.kinds() == [("reject", 0), ("reject", 1)]


def test_a_dead_server_costs_little_memory_and_all_that_is_kept_comes_in_order(tmp_path: Path) -> None:
    port = free_port()
    rig = Rig(tmp_path, f"http://127.0.0.1:{port}/")
    for n in range(MAX_WAITING + 50):
        rig.reject(n)
    for _ in range(8):
        rig.step(MAX_RETRY_NS)
    assert "no answer" in rig.told.detail and len(rig.stage._backlog) == MAX_WAITING
    assert rig.stage.counters["lost"] == 49  # one is tried


def test_a_slow_server_takes_its_timeout_and_no_more(tmp_path: Path) -> None:
    with Receiver(204, pause_s=1.0) as receiver:
        rig = Rig(tmp_path, receiver.url, timeout_ms=200)
        rig.reject(0)
        start_s = time.monotonic()
        rig.step()
        assert time.monotonic() - start_s < 0.9
        assert "no answer" in rig.told.detail
        until(lambda: len(receiver.heard) == 1)
        time.sleep(1.0)


def test_a_name_server_that_hangs_holds_nobody_up_and_is_asked_by_one_thread_alone(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, receiver.url, timeout_ms=2000)
    server = hang_name_server(monkeypatch)
    answers, asked = server.answers, server.asked
    rig.reject(0)
    rig.stage.step(rig.now_ns)
    for n in range(1, 4):  # it hears the line all the while
        rig.reject(n)
        rig.stage.step(rig.now_ns + 1_999_999_999)
    assert rig.stage.handled == 4 and rig.told.state is StageState.READY
    rig.stage.step(rig.now_ns + 2_000_000_000)
    assert "no answer within 2000 ms" in rig.told.detail
    rig.stage.step(rig.now_ns + 2_000_000_000 + RETRY_NS)
    assert "has not ended" in rig.told.detail and len(asked) == 1 and len(rig.stage._backlog) == 3
    answers.set()
    until(lambda: not rig.stage._errand.running)
    rig.step(2_000_000_000 + 4 * RETRY_NS)
    keys = [h["idempotency-key"] for h, b in receiver.heard if json.loads(b)["body"].get("reject", {}).get("number") == 0]
    assert 1 <= len(keys) <= 2 and len(set(keys)) == 1  # the one that was given up may have arrived
    assert rig.told.state is StageState.READY


def test_a_document_that_was_given_up_leaves_no_trouble_where_nothing_waits(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, receiver.url, rolls=True, kinds=["reject"])
    documents = Documents(rig.line, "webhook")
    documents.put(Document("run-0001-l.json", b'{"document": "run-0001-l"}'))
    answers = hang_name_server(monkeypatch).answers
    rig.stage.step(rig.now_ns)
    rig.now_ns += MAX_RETRY_NS
    rig.stage.step(rig.now_ns)
    assert "no answer within" in rig.told.detail
    rig.now_ns += MAX_RETRY_NS
    rig.stage.step(rig.now_ns)
    assert "has not ended" in rig.told.detail
    answers.set()
    until(lambda: not rig.stage._errand.running)
    for _ in range(3):
        rig.step(2 * MAX_RETRY_NS)
    assert not documents.names() and rig.told.state is StageState.READY


def test_a_server_that_answers_one_byte_at_a_time_is_hung_up_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            side, _ = server.accept()
            with side, contextlib.suppress(OSError):
                while True:
                    side.sendall(b"H")
                    time.sleep(0.02)

        dripping = threading.Thread(target=drip)
        dripping.start()
        rig = Rig(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_ms=300)
        rig.reject(0)
        rig.stage.step(rig.now_ns)
        until(lambda: rig.stage._server._last is not None and rig.stage._server._last.sock is not None)
        time.sleep(0.4)  # each byte comes well within the socket's timeout
        assert rig.stage._errand.running
        rig.stage.step(rig.now_ns + 300_000_000)
        assert "no answer within 300 ms" in rig.told.detail
        until(lambda: not rig.stage._errand.running)
        dripping.join(5)
        assert not dripping.is_alive()


def test_a_document_is_kept_until_it_is_taken(tmp_path: Path) -> None:
    with Receiver(500, 403, 204) as receiver:
        rig = Rig(tmp_path, receiver.url, rolls=True)
        documents = Documents(rig.line, "webhook")
        documents.put(Document("run-0001-l.json", b'{"document": "run-0001-l"}'))
        for _ in range(2):
            rig.step(2 * MAX_RETRY_NS)
            assert documents.names()
        rig.step(2 * MAX_RETRY_NS)
        while documents.names():
            rig.step(2 * MAX_RETRY_NS)
        sheets = [(h, b) for h, b in receiver.heard if json.loads(b)["kind"] == "sheet"]
        assert {h["idempotency-key"] for h, _ in sheets} == {"run-0001-l"} and len(sheets) == 3


def test_a_document_that_is_not_taken_holds_up_no_reject(tmp_path: Path) -> None:
    with Receiver(500, 204) as receiver:
        rig = Rig(tmp_path, receiver.url, rolls=True)
        Documents(rig.line, "webhook").put(Document("run-0001-l.json", b'{"document": "run-0001-l"}'))
        rig.step()
        assert "answers 500" in (detail := rig.told.detail) and "line=7" not in detail  # a query may hold a secret
        rig.reject(0)
        rig.step()
        assert receiver.kinds() == [("sheet", -1), ("reject", 0)]


def test_a_document_that_cannot_be_removed_is_told_and_not_sent_twice(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, receiver.url, rolls=True)
    documents = Documents(rig.line, "webhook")
    documents.put(Document("run-0001-l.json", b'{"document": "run-0001-l"}'))
    with monkeypatch.context() as refused:
        refused.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        for _ in range(3):
            rig.step(MAX_RETRY_NS)
        assert "Read-only file system" in rig.told.detail and documents.names()
    rig.step(MAX_RETRY_NS)
    rig.step(MAX_RETRY_NS)
    assert not documents.names() and receiver.kinds() == [("sheet", -1)] and rig.told.state is StageState.READY


def test_a_host_whose_name_is_none_is_trouble_and_no_crash(tmp_path: Path) -> None:
    rig = Rig(tmp_path, f"http://{'a' * 70}.example/")
    rig.reject(0)
    rig.step()
    assert "no answer" in rig.told.detail


def test_only_what_was_asked_for_is_told(receiver: Receiver, tmp_path: Path) -> None:
    rig = Rig(tmp_path, receiver.url, kinds=["reject"])
    rig.state(0)
    rig.state(7)
    rig.reject(3)
    for _ in range(4):
        rig.step()
    assert receiver.kinds() == [("reject", 3)]


def test_the_server_is_tried(receiver: Receiver, tmp_path: Path) -> None:
    rig = Rig(tmp_path, receiver.url)
    assert [name for name, _ in trials(rig.config)] == ["message"] and receiver.kinds() == [("test", -1)]
    receiver.statuses = [401]
    with pytest.raises(DeviceLost, match="answers 401"):
        list(trials(rig.config))


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "http://h/")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(InputError, match="may be read by others"):
        make(rig.config, rig.heard, rig.decision, 0, rig.line)


@pytest.mark.parametrize(
    "url", ["ftp://h/", "h/path", "http://", "http://u:p@h/", "http://h:0/", "http://h/\u00e4", "http://h/a b"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        WebhookConfig(kind="webhook", url=url, key_file=Path("k"))
