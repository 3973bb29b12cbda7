"""An MQTT broker that is told of the line: MQTT 3.1.1, one connection, this side the client, in a process of its own.

TOPIC/LINE/available is `online` while decision's heartbeat is younger than a second, else `offline`; also once this process or
its host is gone, which the broker says itself, by last will.
The other topics are the table in pipeline/outputs/notices, as JSON; documents of finished rolls go to TOPIC/LINE/sheet.
Names that come from outside stand in what is sent. Only the line's name is in a topic, and it has letters, digits, - and _.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from pipeline.config.line import LineConfig
from pipeline.config.outputs import MqttConfig
from pipeline.devices import DeviceLost
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.line import STALE_NS, Heartbeat
from pipeline.messages.message import Message
from pipeline.messages.states import StageState
from pipeline.outputs.backlog import Backlog
from pipeline.outputs.backoff import Backoff
from pipeline.outputs.documents import LOOK_NS, Document, Documents
from pipeline.outputs.errand import Errand
from pipeline.outputs.notices import TOPICS, Notice, Teller
from pipeline.outputs.secrets import secret_of

MAX_UNACKNOWLEDGED = 20
SILENT_NS = 5_000_000_000
"""A broker that has not acknowledged a message for so long is given up, and asked again."""
SLOW_NS = 1_000_000_000
EXCHANGE_NS = 8_000_000
"""As often acknowledgements are taken in, while there is nothing to send."""
KEEPALIVE_S = 5
"""Also the longest that paho waits for a TLS handshake: less than the supervisor lets a stage be silent."""
RETRY_NS, MAX_RETRY_NS = 500_000_000, 15_000_000_000
MESSAGES_PER_STEP = 256
AVAILABLE, SHEET, TEST = "available", "sheet", "test"


def make(config: MqttConfig, heard: Inbox, decision: Outbox, generation: int, line: LineConfig) -> MqttOutput:
    """The stage of one broker; InputError where its password cannot be read."""
    name = line.line.name
    broker = Broker(config, f"{config.topic}/{name}", f"glassline-{name}-{config.name}")
    documents = Documents(line, config.name) if config.rolls else None
    return MqttOutput(heard, decision, broker, config.name, generation, documents)


def trials(config: MqttConfig) -> Iterator[tuple[str, str]]:
    """Publishes one message that says it is a test, and waits until the broker has it."""
    broker = Broker(config, config.topic, f"glassline-{config.name}-test", available=False)
    try:
        broker.connect()
        broker.await_answer(lambda: broker.connected)
        broker.publish(TEST, b'{"test": true}', acknowledged=True, retained=False, token=TEST)
        broker.await_answer(lambda: not broker.unacknowledged)
        yield "message", f"topic {config.topic}/{TEST}, acknowledged"
    finally:
        broker.close()


class Broker:
    """One connection, never waited for: a thread makes it, since neither name servers nor handshakes keep to a time.

    DeviceLost where it is lost.

    `available`: it says so when the line is gone.
    `unacknowledged`: what was given to it as `token`, and when, by message id, the oldest first.
    """

    def __init__(self, config: MqttConfig, base: str, client_id: str, available: bool = True) -> None:
        self._config, self._base, self._client_id, self._available = config, base, client_id, available
        self._password = secret_of(config.password_file, config.password_env, "password of MQTT")
        self._client: paho.Client | None = None
        self._errand: Errand[paho.Client] = Errand()
        self._why = ""
        self.connected = False
        self.unacknowledged: dict[int, tuple[Any, int]] = {}

    def connect(self) -> None:
        """Begin; `connected` becomes true when the broker has answered."""
        self.drop()
        config = self._config
        if self.dialling:  # the last one, which was given up
            self._lost("the last connection to it has not ended, its name server or its handshake hangs")
        client = paho.Client(CallbackAPIVersion.VERSION2, self._client_id, reconnect_on_failure=False)
        client.max_inflight_messages_set(MAX_UNACKNOWLEDGED)
        client.connect_timeout = config.timeout_ms / 1000
        if self._available:
            client.will_set(f"{self._base}/{AVAILABLE}", b"offline", 1, True)
        client.on_connect, client.on_publish, client.on_disconnect = self._on_connect, self._on_publish, self._on_disconnect
        if config.user is not None:
            client.username_pw_set(config.user, self._password)
        self._why = ""

        def dial() -> paho.Client:
            if (tls := config.tls) is not None:
                ca, certificate, key = (None if p is None else str(p) for p in (tls.ca, tls.certificate, tls.key))
                client.tls_set(ca, certificate, key)
            client.connect(config.host, config.port, KEEPALIVE_S)
            return client

        self._errand.begin(dial)

    def exchange(self) -> None:
        """Take what has come and give what is due, without waiting."""
        try:
            client = self._client = self._client or self._errand.result()
            if client is None:
                return
            result = client.loop_read()
            if result == MQTTErrorCode.MQTT_ERR_SUCCESS and client.want_write():
                result = client.loop_write()
            if result == MQTTErrorCode.MQTT_ERR_SUCCESS:
                result = client.loop_misc()
        except (OSError, ValueError) as e:
            self._lost(_said(e))
        if self._why or result not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN):
            self._lost(self._why or str(paho.error_string(result)))

    @property
    def dialling(self) -> bool:
        """Whether a thread makes the connection, or still tries to make one that was given up."""
        return self._errand.running

    @property
    def has_room(self) -> bool:
        """Whether it takes another message at once."""
        return (
            self.connected and len(self.unacknowledged) < MAX_UNACKNOWLEDGED
            and self._client is not None and not self._client.want_write()
        )  # fmt: skip

    @property
    def waited_ns(self) -> int:
        """For how long the oldest message has not been acknowledged."""
        return time.monotonic_ns() - next(iter(self.unacknowledged.values()))[1] if self.unacknowledged else 0

    def publish(self, topic: str, body: bytes, acknowledged: bool, retained: bool, token: Any = None) -> None:
        """Give it a message."""
        assert self._client is not None
        info = self._client.publish(f"{self._base}/{topic}", body, int(acknowledged), retained)
        if acknowledged:  # also where it is lost with the connection: it is given back then
            self.unacknowledged[info.mid] = token, time.monotonic_ns()
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost(str(paho.error_string(info.rc)))

    def await_answer(self, done: Callable[[], bool]) -> None:
        """Wait for it, where nothing else is to be done."""
        end_s = time.monotonic() + self._config.timeout_ms / 1000
        while not done():
            self.exchange()
            if time.monotonic() > end_s:
                self._lost("does not answer")
            time.sleep(0.005)

    def close(self) -> None:
        """Say that the line is gone where that goes out at once; else the broker's last will must say it."""
        if self._available and self.has_room and self._client is not None:
            self._client.publish(f"{self._base}/{AVAILABLE}", b"offline", 1, True)
            if not self._client.want_write():
                self._client.disconnect()
        self.drop()

    def drop(self) -> list[Any]:
        """Hang up; what was never acknowledged."""
        client, self._client, self.connected = self._client, None, False
        if client is None:
            with suppress(OSError, ValueError):
                client = self._errand.result()  # it came when nobody waited for it any more
        open_, self.unacknowledged = [token for token, _ in self.unacknowledged.values()], {}
        if client is not None and (socket := client.socket()) is not None:
            socket.close()
        return open_

    def silent(self) -> None:
        """Give it up."""
        self._lost("does not answer")

    def _lost(self, why: str) -> None:
        raise DeviceLost(f"broker {self._config.host}:{self._config.port}: {why}")

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._why = f"refuses this client ({reason}), see to `user`, its password and the broker's rules"
        else:
            self.connected = True

    def _on_publish(self, client: Any, data: Any, number: int, reason: Any, properties: Any) -> None:
        self.unacknowledged.pop(number, None)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._why = self._why or f"hung up ({reason})"


def _said(error: Exception) -> str:
    """What is wrong with a connection, and for a certificate what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({error.verify_message}), renew it, or give its issuer as tls.ca"
    if isinstance(error, ssl.SSLError):
        return f"no encrypted connection ({error.reason or error}), see to `tls` and the certificates"
    if isinstance(error, FileNotFoundError):
        return f"no such file, {error.filename or 'of tls'}, see to `tls`"
    return f"no connection ({getattr(error, 'strerror', None) or error})"


class MqttOutput:
    """The stage: hears the publisher and passes it on; nobody in the line waits for it, since it is a process of its own.

    A broker that is lost, silent or slow makes the line DEGRADED, and is tried again after a while that doubles. Queued topics
    wait, MAX_WAITING of them, the oldest dropped; then the topic `outage` says for how long it was, and what was dropped.
    """

    idle_ms = 10  # what the line says wakes it

    def __init__(
        self,
        heard: Inbox,
        decision: Outbox,
        broker: Broker,
        name: str,
        generation: int,
        documents: Documents | None = None,
        utc_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._heard, self._broker, self._documents = heard, broker, documents
        self._status = StatusReport(decision, "output", name, generation)
        self._teller, self._backlog = Teller(from_the_start=generation == 0), Backlog(utc_ns)
        self._now_or_never: dict[str, Notice] = {}
        self._kept: dict[str, Notice] = {}
        """The last of those retained, which a broker that was started again may not know."""
        self._document: Document | None = None
        self._look_ns = self._retry_ns = self._asked_ns = self._exchange_ns = 0
        self._backoff = Backoff(RETRY_NS, MAX_RETRY_NS)
        self._beat_ns: int | None = None
        self._asked = self._told = self._online = False
        self._trouble, self._sheet_trouble = "not connected yet", ""
        self.state = StageState.READY
        self.handled = self.delivered = self.reconnects = 0
        self.waiting = 0

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {
            "connected": int(self._told), "delivered": self.delivered, "queued": len(self._backlog),
            "lost": self._backlog.lost_total, "reconnects": self.reconnects, **self._heard.refused.counters,
        }  # fmt: skip

    def step(self, now_ns: int) -> bool:
        """Hear what is published, pass on what the broker takes."""
        moved = False
        if self._beat_ns is None:
            self._beat_ns = now_ns  # so long it may take until the first one is heard
        for message, _ in portion(self._heard, MESSAGES_PER_STEP):
            if isinstance(message, Heartbeat):
                self._beat_ns = now_ns
            self._hear(message)
            self.handled += 1
            moved = True
        if self._backlog or self._now_or_never or now_ns >= self._exchange_ns:
            self._exchange_ns = now_ns + EXCHANGE_NS
            try:
                self._exchange(now_ns)
            except DeviceLost as e:
                self._give_up(now_ns, str(e))
        self._status.tell(now_ns, StageState.DEGRADED if self._trouble else StageState.READY, self._trouble)
        return moved

    def close(self) -> None:
        """Say goodbye."""
        self._broker.close()

    def _hear(self, message: Message) -> None:
        for notice in self._teller.hear(message):
            if TOPICS[notice.topic].retained and TOPICS[notice.topic].queued:
                self._kept[notice.topic] = notice
            if TOPICS[notice.topic].queued:
                self._backlog.add(notice)
            else:
                self._now_or_never[notice.topic] = notice
        self._backlog.lose(self._teller.missed())

    def _exchange(self, now_ns: int) -> None:
        if not self._asked:
            if now_ns < self._retry_ns:
                return
            self._asked, self._asked_ns = True, now_ns
            self._broker.connect()
        self._broker.exchange()
        if not self._broker.connected:
            if now_ns - self._asked_ns > SILENT_NS:
                self._broker.silent()
            return
        online = self._beat_ns is not None and now_ns - self._beat_ns < STALE_NS
        if not self._told:
            self._arrive(online)
        elif online is not self._online and self._broker.has_room:
            self._say_available(online)
        if (outage := self._backlog.outage()) is not None:
            self._give(Notice("outage", outage))
        while self._broker.has_room and (notice := self._backlog.take()) is not None:
            self._give(notice)
        while self._broker.has_room and self._now_or_never:
            self._give(self._now_or_never.popitem()[1])
        self._now_or_never.clear()
        try:
            self._deliver(now_ns)
        except OSError as e:
            self._sheet_trouble = self._documents.refused(e) if self._documents else ""
        waited_ns = self._broker.waited_ns
        if waited_ns > SILENT_NS:
            self._broker.silent()
        self._trouble = "the broker is slow, messages wait" if waited_ns > SLOW_NS else self._sheet_trouble

    def _say_available(self, online: bool) -> None:
        self._online = online
        self._broker.publish(AVAILABLE, b"online" if online else b"offline", acknowledged=True, retained=True)

    def _arrive(self, online: bool) -> None:
        """The broker has let us in: what it may have forgotten is told first."""
        self._told, self._trouble = True, ""
        self._backoff.reset()
        self._say_available(online)
        waiting = self._backlog.topics
        for topic, notice in self._kept.items():
            if topic not in waiting:
                self._give(notice)

    def _give(self, notice: Notice) -> None:
        topic = TOPICS[notice.topic]
        body = notice.body.model_dump_json().encode()
        self._broker.publish(notice.topic, body, topic.queued, topic.retained, notice)
        self.delivered += 1

    def _deliver(self, now_ns: int) -> None:
        """One document at a time, and the next when the broker has that one."""
        if self._documents is None or not self._broker.has_room:
            return
        if self._document is not None:
            if all(token is not self._document for token, _ in self._broker.unacknowledged.values()):
                taken, self._document = self._document, None
                self._documents.delivered(taken)
                self._look_ns = 0
            return
        if now_ns < self._look_ns:
            return
        self._look_ns = now_ns + LOOK_NS
        document = self._documents.first()
        self._sheet_trouble = ""
        if document is not None:
            self._broker.publish(SHEET, document.body, acknowledged=True, retained=False, token=document)
            self._document = document

    def _give_up(self, now_ns: int, why: str) -> None:
        open_ = self._broker.drop()
        self._backlog.away()
        self._backlog.put_back(token for token in open_ if isinstance(token, Notice))
        self._document, self._asked, self._trouble = None, False, why
        self.reconnects += self._told
        self._told = False
        self._retry_ns = now_ns + self._backoff.pause_ns()
