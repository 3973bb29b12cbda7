"""An HTTP server that is told of the line: one POST a message, signed, repeated until the server has taken it.

Body: {"schema": 1, "line", "kind", "sent_utc_ns", "body"}, `kind` a topic of pipeline/outputs/notices, or `sheet` with the
document of a finished roll. `X-Glassline-Time` is in seconds since 1970. `X-Glassline-Signature` is `sha256=` and the
HMAC-SHA256, by the key, of the time, a dot and the body. `Idempotency-Key` is the same for each try of one message. A receiver
refuses what is older than some minutes, and takes each key once.

A request that is not answered within `timeout_ms`, its name found and its handshake made, is given up and sent again later. It
waits in a thread of its own: this process hears the line all the while.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from pipeline.config.line import LineConfig
from pipeline.config.outputs import WebhookConfig
from pipeline.devices import DeviceLost
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.states import StageState
from pipeline.outputs.backlog import Backlog
from pipeline.outputs.backoff import Backoff
from pipeline.outputs.documents import LOOK_NS, Document, Documents
from pipeline.outputs.errand import Errand
from pipeline.outputs.notices import Notice, Teller
from pipeline.outputs.secrets import read_secret

RETRY_NS, MAX_RETRY_NS = 500_000_000, 30_000_000_000
MESSAGES_PER_STEP = 256
TAKEN = range(200, 300)
AGAIN = frozenset({408, 425, 429, *range(500, 600)})
"""These may be otherwise later; what is refused with another status is refused for good."""


def make(config: WebhookConfig, heard: Inbox, decision: Outbox, generation: int, line: LineConfig) -> WebhookOutput:
    """The stage of one server; InputError where its key cannot be read."""
    documents = Documents(line, config.name) if config.rolls else None
    return WebhookOutput(heard, decision, Server(config, line.line.name), config, generation, documents)


def trials(config: WebhookConfig) -> Iterator[tuple[str, str]]:
    """Posts one message that says it is a test."""
    server = Server(config, "test")
    if (status := server.post("test", {"test": True}, "test")) not in TAKEN:
        raise DeviceLost(f"{server.where} answers {status}")
    yield "message", f"{server.where}, taken"


class Server:
    """The other side; DeviceLost where it does not answer."""

    def __init__(self, config: WebhookConfig, line: str) -> None:
        self._config, self._line = config, line
        self._url = urlsplit(config.url)
        self._key = read_secret(config.key_file, "key of the webhook").encode()
        self._last: http.client.HTTPConnection | None = None

    def post(self, kind: str, body: Any, key: str) -> int:
        """Send one message and return the status of the answer; its body is not read.

        Each wait of its socket is bounded by `timeout_ms`; the look-up of its name is not, nor the sum of all.
        """
        now_ns = time.time_ns()
        said = {"schema": 1, "line": self._line, "kind": kind, "sent_utc_ns": now_ns, "body": body}
        data, seconds = json.dumps(said).encode(), str(now_ns // 10**9)
        headers = {
            "Content-Type": "application/json", "User-Agent": "glassline", "Idempotency-Key": key,
            "X-Glassline-Time": seconds, "X-Glassline-Signature": signature(self._key, seconds, data),
        }  # fmt: skip
        connection = self._last = self._connection()
        try:
            connection.request("POST", (self._url.path or "/") + f"?{self._url.query}" * bool(self._url.query), data, headers)
            return connection.getresponse().status
        except ssl.SSLCertVerificationError as e:
            raise DeviceLost(f"{self.where}: its certificate is refused ({e.verify_message}), renew it or give `ca`") from None
        except (OSError, UnicodeError, http.client.HTTPException) as e:
            raise DeviceLost(f"{self.where}: no answer ({getattr(e, 'strerror', None) or type(e).__name__})") from None
        finally:
            connection.close()

    def hang_up(self) -> None:
        """End a post that another thread waits for, where there is something to hang up: not before it is connected."""
        found = None if self._last is None else self._last.sock  # its own thread may let go of it now
        if found is not None:
            with suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    @property
    def where(self) -> str:
        """What may be told of its address: a query may hold a secret."""
        return f"server {self._url.netloc}{self._url.path}"

    def _connection(self) -> http.client.HTTPConnection:
        host, timeout_s = self._url.hostname or "", self._config.timeout_ms / 1000
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, self._url.port, timeout=timeout_s)
        try:
            context = ssl.create_default_context(cafile=None if self._config.ca is None else str(self._config.ca))
        except OSError as e:
            raise DeviceLost(f"{self.where}: ca not readable ({e.strerror or e}), {self._config.ca}") from None
        return http.client.HTTPSConnection(host, self._url.port, timeout=timeout_s, context=context)


def signature(key: bytes, seconds: str, body: bytes) -> str:
    """What a receiver makes of the same, and compares."""
    return "sha256=" + hmac.new(key, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()


class WebhookOutput:
    """The stage: one request at a time, the oldest message first.

    A server that is gone, slow or in trouble (408, 425, 429, 5xx) makes the line DEGRADED and is asked again after a while that
    doubles; what waits is bounded, and `outage` says what was dropped. What it refuses for good is counted as lost, and told.
    """

    def __init__(
        self,
        heard: Inbox,
        decision: Outbox,
        server: Server,
        config: WebhookConfig,
        generation: int,
        documents: Documents | None = None,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._heard, self._server, self._config, self._documents = heard, server, config, documents
        self._status = StatusReport(decision, "output", config.name, generation)
        self._teller, self._backlog = Teller(from_the_start=generation == 0), Backlog(utc_ns)
        self._session, self._sent = f"{utc_ns():x}", 0
        self._first: tuple[Notice, str] | None = None
        """What is tried now, and the key of all its tries."""
        self._document: Document | None = None
        """What is under way instead of it."""
        self._errand: Errand[int] = Errand()
        self._until_ns: int | None = None
        """Till when the request under way is waited for; null: none is."""
        self._retry_ns = self._look_ns = 0
        self._backoff, self._sheet_backoff = Backoff(RETRY_NS, MAX_RETRY_NS), Backoff(LOOK_NS, MAX_RETRY_NS)
        self._trouble = self._sheet_trouble = ""
        """Documents wait by themselves: they hold up nothing else."""
        self.state = StageState.READY
        self.handled = self.delivered = 0
        self.waiting = 0

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {
            "connected": int(not (self._trouble or self._sheet_trouble)), "delivered": self.delivered,
            "queued": len(self._backlog), "lost": self._backlog.lost_total, **self._heard.refused.counters,
        }  # fmt: skip

    @property
    def idle_ms(self) -> int:
        """An answer wakes nobody."""
        return 20 if self._until_ns is None else 5

    def step(self, now_ns: int) -> bool:
        """Hear what is published, then send one thing, or see what became of it."""
        moved = False
        for message, _ in portion(self._heard, MESSAGES_PER_STEP):
            for notice in self._teller.hear(message):
                if notice.topic in self._config.kinds:
                    self._backlog.add(notice)
            self.handled += 1
        missed = self._teller.missed()
        self._backlog.lose(Counter({topic: n for topic, n in missed.items() if topic in self._config.kinds}))
        if self._until_ns is not None:
            moved = self._finish(now_ns, self._until_ns)
        elif now_ns >= self._retry_ns:
            moved = self._begin(now_ns)
        trouble = self._trouble or self._sheet_trouble
        self._status.tell(now_ns, StageState.DEGRADED if trouble else StageState.READY, trouble)
        return moved

    def close(self) -> None:
        """What waits is lost with this process, but for documents."""

    def _begin(self, now_ns: int) -> bool:
        if self._first is None and (notice := self._next()) is not None:
            self._sent += 1
            self._first = notice, f"{self._session}-{self._sent}"
        if self._first is None:
            return self._begin_document(now_ns)
        if self._errand.running:  # the last one, which was given up
            self._failed(self._unended, now_ns)
            return False
        notice, key = self._first
        self._post(notice.topic, notice.body.model_dump(mode="json"), key, now_ns)
        return True

    def _begin_document(self, now_ns: int) -> bool:
        if self._documents is None or now_ns < self._look_ns:
            return False
        self._look_ns = now_ns + LOOK_NS
        try:
            document = self._documents.first()
        except OSError as e:
            self._keep_document(self._documents.refused(e), now_ns)
            return True
        if document is None:
            self._sheet_trouble = ""
            return False
        if self._errand.running:
            self._keep_document(self._unended, now_ns)
            return False
        self._document = document
        self._post("sheet", json.loads(document.body), document.name.removesuffix(".json"), now_ns)
        return True

    @property
    def _unended(self) -> str:
        return f"{self._server.where}: the last request to it has not ended, its name server or its answer hangs"

    def _post(self, kind: str, body: Any, key: str, now_ns: int) -> None:
        self._until_ns = now_ns + int(self._config.timeout_ms * 1e6)
        self._errand.begin(lambda: self._server.post(kind, body, key))

    def _finish(self, now_ns: int, until_ns: int) -> bool:
        """Whether the request under way is over: answered, failed, or given up."""
        document, trouble, lost = self._document, "", ""
        try:
            if (status := self._errand.result()) is None:
                if now_ns < until_ns:
                    return False
                self._server.hang_up()
                raise DeviceLost(f"{self._server.where}: no answer within {self._config.timeout_ms:g} ms")
            trouble = self._refusal(status)
        except DeviceLost as e:
            lost = str(e)
        self._until_ns = self._document = None
        if document is not None:
            self._finish_document(document, trouble, lost, now_ns)
        elif lost:
            self._failed(lost, now_ns)
        else:
            self._finish_notice(trouble, now_ns)
        return True

    def _failed(self, why: str, now_ns: int) -> None:
        """It is tried again later."""
        self._backlog.away()
        self._trouble = why
        self._retry_ns = now_ns + self._backoff.pause_ns()

    def _finish_notice(self, refusal: str, now_ns: int) -> None:
        assert self._first is not None
        (notice, _), self._first = self._first, None
        self._trouble = refusal
        self._backoff.reset()
        if refusal:
            self._retry_ns = now_ns + RETRY_NS
            if notice.topic != "outage":  # else each would make the next
                self._backlog.lose(Counter({notice.topic: 1}))

    def _finish_document(self, document: Document, refusal: str, lost: str, now_ns: int) -> None:
        assert self._documents is not None
        if lost:
            self._keep_document(lost, now_ns)
            return
        self._sheet_trouble = refusal
        if refusal:
            self._look_ns = now_ns + MAX_RETRY_NS  # it is kept: somebody may mend the server
            return
        try:
            self._documents.delivered(document)
        except OSError as e:
            self._keep_document(self._documents.refused(e), now_ns)
            return
        self._look_ns = 0
        self._sheet_backoff.reset()

    def _keep_document(self, why: str, now_ns: int) -> None:
        self._sheet_trouble, self._look_ns = why, now_ns + self._sheet_backoff.pause_ns()

    def _next(self) -> Notice | None:
        due = "outage" in self._config.kinds and (self._backlog or not self._trouble)
        outage = self._backlog.outage() if due else None
        return self._backlog.take() if outage is None else Notice("outage", outage)

    def _refusal(self, status: int) -> str:
        """Why it refuses for good what it was sent, empty where it has it; DeviceLost where that may be otherwise later."""
        if status in AGAIN:
            raise DeviceLost(f"{self._server.where}: answers {status}")
        if status not in TAKEN:
            return f"{self._server.where}: refuses what it is sent ({status}), see to its key and path"
        self.delivered += 1
        return ""
