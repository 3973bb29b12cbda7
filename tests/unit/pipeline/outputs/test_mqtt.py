"""The MQTT output against a real broker on loopback: what it is told, and what becomes of it while the broker is away."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.config.outputs import MqttConfig
from pipeline.devices import DeviceLost
from pipeline.messages.actions import Reject
from pipeline.messages.cloth import Roll
from pipeline.messages.line import STALE_NS, Heartbeat, LineState
from pipeline.messages.stages import Status
from pipeline.messages.states import Result, StageState, State
from pipeline.messages.verdicts import Verdict
from pipeline.outputs.backlog import MAX_WAITING
from pipeline.outputs.documents import Document, Documents
from pipeline.outputs.mqtt import MAX_RETRY_NS, MAX_UNACKNOWLEDGED, RETRY_NS, SILENT_NS, MqttOutput, make, trials
from tests.fakes import Box
from tests.mosquitto import Listener, Mosquitto, free_port, needs_mosquitto, until
from tests.unit.pipeline.outputs.name_server import hang_name_server

pytestmark = needs_mosquitto
LINE = LineConfig.model_validate({"line": {"name": "loom-7"}})


class Rig:
    """The stage with what it hears, beside a broker; time goes as fast as the test says."""

    def __init__(self, port: int, line: LineConfig = LINE, **change: Any) -> None:
        self.heard, self.decision = Box(), Box()
        self.config = MqttConfig.model_validate({"kind": "mqtt", "host": "127.0.0.1", "port": port, **change})
        self.stage: MqttOutput = make(self.config, self.heard, self.decision, 0, line)
        self.ahead_ns = 0
        self.number = 0
        self.silent = False

    def step(self) -> None:
        """A step, and one more where it began to connect; decision's heart beats unless it is `silent`."""
        for _ in range(2):
            now_ns = time.monotonic_ns() + self.ahead_ns
            self.stage._beat_ns = self.stage._beat_ns if self.silent else now_ns
            self.stage.step(now_ns)
            if not self.stage._broker.dialling:
                break
            until(lambda: not self.stage._broker.dialling)

    def reject(self, roll: str = "R1", style: str = "twill") -> None:
        """A DEFECT verdict and its reject, as decision publishes them."""
        n, self.number = self.number, self.number + 1
        self.heard.send(Verdict(number=2 * n, generation=0, camera="left", boot_id="b", seq=n, result=Result.PASS,
                                t_mono_ns=0, t_utc_ns=0))  # fmt: skip
        self.heard.send(Verdict(number=2 * n + 1, generation=0, camera="right", boot_id="b", seq=n, result=Result.DEFECT,
                                score=float("nan"), roll_id=roll, style=style, t_mono_ns=0, t_utc_ns=0))  # fmt: skip
        self.heard.send(Reject(number=n, generation=0, verdict=2 * n + 1, camera="right", cause=Result.DEFECT,
                               start_mm=10.0 * n, end_mm=10.0 * n + 5, t_mono_ns=0))  # fmt: skip

    def state(self, number: int, state: State = State.RUNNING) -> None:
        self.heard.send(LineState(number=number, generation=0, state=state, inspection_ok=True, t_mono_ns=0, t_utc_ns=0))

    @property
    def told(self) -> Status:
        statuses = self.decision.take(Status)
        assert statuses
        return statuses[-1]

    def connected(self) -> bool:
        self.step()
        return bool(self.stage.counters["connected"])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    listener = Listener(broker.port)
    yield listener
    listener.close()


def rejects(listener: Listener) -> list[int]:
    return [json.loads(body)["reject"]["number"] for body in listener.bodies("glassline/loom-7/reject")]


def test_a_reject_comes_with_its_verdict_and_names_are_no_topics(broker: Mosquitto, listener: Listener) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    rig.heard.send(Roll(number=0, generation=0, roll_id="a/#/+/$SYS", style="+/#", start_mm=0.0, cause="command",
                        t_mono_ns=0, t_utc_ns=0))  # fmt: skip
    rig.reject("a/#/+/$SYS", "+/#")
    until(lambda: len(listener.heard) == 4, meanwhile=rig.step)
    assert listener.topics() == [f"glassline/loom-7/{t}" for t in ("available", "roll", "defect", "reject")]
    told = json.loads(listener.bodies("glassline/loom-7/reject")[0])
    assert told["reject"]["verdict"] == 1 and told["verdict"]["camera"] == "right"
    assert told["verdict"]["style"] == "+/#" and told["verdict"]["score"] is None  # NaN is no JSON
    rig.stage.close()
    until(lambda: listener.bodies("glassline/loom-7/available") == [b"online", b"offline"])


def test_whoever_joins_later_learns_the_state_and_the_roll_and_no_reject_again(broker: Mosquitto) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    rig.state(0, State.READY)
    rig.state(1)
    rig.state(1)  # told again for another newcomer
    rig.reject()
    until(lambda: rig.stage.delivered == 4 and not rig.stage._broker.unacknowledged, meanwhile=rig.step)
    late = Listener(broker.port)
    until(lambda: len(late.heard) == 2)
    time.sleep(0.1)
    assert sorted(late.topics()) == ["glassline/loom-7/available", "glassline/loom-7/state"]
    assert json.loads(late.bodies("glassline/loom-7/state")[0])["state"] == "RUNNING"
    late.close()
    rig.stage.close()


def test_the_broker_says_that_a_process_that_was_killed_is_gone(broker: Mosquitto, listener: Listener) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    until(lambda: listener.bodies("glassline/loom-7/available") == [b"online"], meanwhile=rig.step)
    rig.stage._broker.drop()  # as the kernel hangs up for a process that is gone
    until(lambda: listener.bodies("glassline/loom-7/available") == [b"online", b"offline"])


def test_a_line_whose_decision_alone_is_silent_is_offline_within_a_second(broker: Mosquitto, listener: Listener) -> None:
    rig, said = Rig(broker.port), "glassline/loom-7/available"
    until(rig.connected)
    rig.silent = True
    assert rig.stage._beat_ns is not None
    last_ns = rig.stage._beat_ns
    rig.state(0)  # it is no sign of life
    rig.stage.step(last_ns + STALE_NS - 1)
    until(lambda: len(listener.heard) == 2)
    assert listener.bodies(said) == [b"online"]
    rig.ahead_ns = STALE_NS
    until(lambda: len(listener.bodies(said)) == 2, meanwhile=rig.step)
    rig.heard.send(Heartbeat(number=9, generation=0, state=State.RUNNING, inspection_ok=True, verdicts=0, t_mono_ns=0))
    until(lambda: len(listener.bodies(said)) >= 3, meanwhile=rig.step)
    assert listener.bodies(said)[:3] == [b"online", b"offline", b"online"]
    rig.ahead_ns += STALE_NS
    until(lambda: len(listener.bodies(said)) == 4, meanwhile=rig.step)
    rig.stage._broker._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
    until(lambda: not rig.connected())
    rig.ahead_ns += MAX_RETRY_NS
    until(rig.connected)  # a broker that is reached again is not told that all is well
    until(lambda: len(listener.bodies(said)) >= 5, meanwhile=rig.step)
    rig.stage.close()
    assert set(listener.bodies(said)[3:]) == {b"offline"}


def test_a_broker_that_is_killed_and_comes_back_is_told_what_waited_and_of_the_outage(broker: Mosquitto) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    rig.state(0)
    until(lambda: rig.stage.delivered == 1 and not rig.stage._broker.unacknowledged, meanwhile=rig.step)
    assert rig.told.state is StageState.READY
    broker.stop()
    until(lambda: not rig.connected())
    told = rig.told
    assert told.state is StageState.DEGRADED and f"127.0.0.1:{broker.port}" in told.detail
    for _ in range(3):
        rig.reject()
    rig.step()
    rig.ahead_ns += MAX_RETRY_NS
    broker.start()
    listener = Listener(broker.port)  # it has forgotten all: no persistence
    until(lambda: rejects(listener) == [0, 1, 2], meanwhile=rig.step)
    assert json.loads(listener.bodies("glassline/loom-7/state")[0])["state"] == "RUNNING"
    outage = json.loads(listener.bodies("glassline/loom-7/outage")[0])
    assert outage["late"] == 6 and outage["lost"] == {} and outage["from_utc_ns"] < outage["to_utc_ns"]
    rig.ahead_ns += 2_000_000_000
    rig.step()
    assert rig.told.state is StageState.READY
    listener.close()
    rig.stage.close()


def test_what_waits_is_bounded_and_what_is_dropped_is_counted_and_told(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    rig = Rig(broker.port)
    for _ in range(MAX_WAITING):
        rig.reject()
        rig.step()
    assert len(rig.stage._backlog) == MAX_WAITING and rig.stage.counters["lost"] == MAX_WAITING
    broker.start()
    listener = Listener(broker.port)
    rig.ahead_ns += MAX_RETRY_NS
    until(lambda: len(rejects(listener)) == MAX_WAITING // 2, meanwhile=rig.step)
    assert rejects(listener)[0] == MAX_WAITING // 2
    outage = json.loads(listener.bodies("glassline/loom-7/outage")[0])
    assert outage["lost"] == {"defect": MAX_WAITING // 2, "reject": MAX_WAITING // 2}
    rig.stage.close()
    listener.close()
    broker.stop()


def test_what_the_line_said_and_this_process_never_heard_is_told_too(broker: Mosquitto, listener: Listener) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    rig.reject()
    rig.number = 5  # numbers 1 to 4 fell out on their way
    rig.reject()
    until(lambda: listener.bodies("glassline/loom-7/outage"), meanwhile=rig.step)
    assert json.loads(listener.bodies("glassline/loom-7/outage")[0])["lost"] == {"defect": 8, "reject": 4}
    rig.stage.close()


def test_a_frozen_broker_holds_nobody_up_and_gets_all_of_it_when_it_goes_on(broker: Mosquitto, listener: Listener) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    rig.reject()
    until(lambda: rejects(listener) == [0], meanwhile=rig.step)
    broker.freeze()
    longest_s, end_s = 0.0, time.monotonic() + SILENT_NS / 1e9 + 1.5
    while time.monotonic() < end_s:
        if rig.number < 60:
            rig.reject()
        start_s = time.monotonic()
        rig.step()
        longest_s = max(longest_s, time.monotonic() - start_s)
        time.sleep(0.01)
    told = rig.told
    assert told.state is StageState.DEGRADED and "does not answer" in told.detail
    assert longest_s < 2.5  # a supervisor bears 10 s
    broker.thaw()
    rig.ahead_ns += MAX_RETRY_NS
    until(lambda: set(rejects(listener)) == set(range(60)), meanwhile=rig.step)
    rig.stage.close()


def test_a_line_that_stops_while_the_broker_is_slow_is_not_left_online(
    broker: Mosquitto, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    until(lambda: listener.bodies("glassline/loom-7/available") == [b"online"], meanwhile=rig.step)
    until(lambda: not rig.stage._broker.unacknowledged, meanwhile=rig.step)
    broker.freeze()
    for _ in range(MAX_UNACKNOWLEDGED):
        rig.reject()
    rig.step()
    assert not rig.stage._broker.has_room
    said = list[str]()
    monkeypatch.setattr(rig.stage._broker._client, "disconnect", lambda: said.append("disconnect"))
    rig.stage.close()
    assert said == []  # it would silence the last will
    broker.thaw()
    until(lambda: listener.bodies("glassline/loom-7/available") == [b"online", b"offline"])


def test_what_finds_the_connection_gone_as_it_is_published_is_given_back(broker: Mosquitto) -> None:
    rig = Rig(broker.port)
    until(rig.connected)
    side = rig.stage._broker
    until(lambda: not side.unacknowledged, meanwhile=rig.step)
    assert side._client is not None
    side._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
    with pytest.raises(DeviceLost):
        side.publish("reject", b"{}", acknowledged=True, retained=False, token="mine")
    assert side.drop() == ["mine"]


def test_a_broker_that_accepts_and_never_answers_is_given_up_and_asked_ever_less_often() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(50)
        rig = Rig(mute.getsockname()[1])
        rig.step()
        pauses = []
        for _ in range(5):
            rig.ahead_ns += SILENT_NS + 1_000_000
            rig.step()
            assert "does not answer" in rig.told.detail
            pauses.append(rig.stage._backoff._pause_ns)
            rig.ahead_ns += MAX_RETRY_NS
            rig.step()
        assert pauses == [RETRY_NS << n for n in range(1, 5)] + [MAX_RETRY_NS]
        rig.stage.close()


def test_a_name_server_that_hangs_holds_nobody_up_and_is_asked_by_one_thread_alone(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(broker.port, host="localhost")
    server = hang_name_server(monkeypatch)
    answers, asked = server.answers, server.asked
    now_ns = time.monotonic_ns()
    rig.stage.step(now_ns)
    rig.reject()
    rig.stage.step(now_ns + SILENT_NS)
    assert rig.stage.handled == 3 and rig.stage.counters["queued"] == 2
    rig.stage.step(now_ns + SILENT_NS + 10_000_000)
    assert "does not answer" in rig.told.detail
    rig.stage.step(now_ns + 2 * SILENT_NS)
    assert "has not ended" in rig.told.detail and asked == ["localhost"]
    answers.set()
    until(lambda: not rig.stage._broker.dialling)
    rig.ahead_ns = 3 * SILENT_NS
    until(rig.connected)
    until(lambda: rig.stage.counters["queued"] == 0, meanwhile=rig.step)
    rig.stage.close()


def test_a_password_comes_from_a_file_that_others_may_not_read_and_stands_nowhere_else(tmp_path: Path) -> None:
    secret, users = tmp_path / "secret", tmp_path / "users"
    secret.write_text("hush\n")
    users.write_text("line:hush\n")
    users.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(users)], check=True)
    with Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {users}") as broker:
        secret.chmod(0o644)
        with pytest.raises(InputError, match="may be read by others"):
            Rig(broker.port, user="line", password_file=str(secret))
        secret.chmod(0o600)
        rig = Rig(broker.port, user="line", password_file=str(secret))
        until(rig.connected)
        assert "hush" not in rig.config.model_dump_json()
        rig.stage.close()
        stranger = Rig(broker.port, user="somebody", password_file=str(secret))
        until(lambda: "refuses" in stranger.stage._trouble, meanwhile=stranger.step)
        assert "password" in (detail := stranger.told.detail) and "hush" not in detail


def test_a_missing_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_WORD", raising=False)
    with pytest.raises(InputError, match="the environment has no NO_SUCH_WORD"):
        Rig(1, user="line", password_env="NO_SUCH_WORD")


# paho forgets the socket of a handshake that fails; Python closes it, and warns
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("days", "says"), [(-1, "certificate has expired"), (10, "")])
def test_a_certificate_out_of_date_is_told_plainly(tmp_path: Path, days: int, says: str) -> None:
    make_certificate(tmp_path, days)
    settings = f"allow_anonymous true\ncertfile {tmp_path / 'cert.pem'}\nkeyfile {tmp_path / 'key.pem'}"
    with Mosquitto(tmp_path, settings) as broker:
        rig = Rig(broker.port, tls={"ca": str(tmp_path / "cert.pem")})
        if says:
            until(lambda: (rig.step(), any(says in s.detail and "renew it" in s.detail for s in rig.decision.take(Status)))[1])
        else:
            until(rig.connected)
        rig.stage.close()


def make_certificate(folder: Path, days: int) -> None:
    """For 127.0.0.1, its own issuer, valid from thirty days ago until so many days from now."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(now - datetime.timedelta(30)).not_valid_after(now + datetime.timedelta(days))
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


@pytest.mark.parametrize("topic", ["factory/#", "a/+/b", "", "a//b", "$SYS/a", "a\x00b", "a/", "\n"])
def test_a_topic_with_a_wildcard_is_refused(topic: str) -> None:
    with pytest.raises(ValidationError, match="topic"):
        MqttConfig(kind="mqtt", host="localhost", topic=topic)


@pytest.mark.parametrize("name", ["loom/7", "loom+", "#", "$SYS"])
def test_no_name_of_a_line_is_a_wildcard_or_another_level(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        LineConfig.model_validate({"line": {"name": name}})


def test_a_document_is_sent_until_the_broker_has_it_and_then_gone(
    broker: Mosquitto, listener: Listener, tmp_path: Path
) -> None:
    line = LineConfig.model_validate({"line": {"name": "loom-7"}, "ledger": {"path": tmp_path / "record" / "ledger.sqlite"}})
    documents = Documents(line, "mqtt")
    for n in (2, 1):
        documents.put(Document(f"{n}.json", b"%d" % n))
    rig = Rig(broker.port, line, rolls=True)
    until(rig.connected)
    until(lambda: not documents.names(), meanwhile=rig.step)
    assert listener.bodies("glassline/loom-7/sheet") == [b"1", b"2"]
    rig.stage.close()


def test_a_document_that_cannot_be_removed_is_told_and_not_sent_twice(
    broker: Mosquitto, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = LineConfig.model_validate({"line": {"name": "loom-7"}, "ledger": {"path": tmp_path / "record" / "ledger.sqlite"}})
    documents = Documents(line, "mqtt")
    documents.put(Document("1.json", b"1"))
    rig = Rig(broker.port, line, rolls=True)
    with monkeypatch.context() as refused:
        refused.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        until(lambda: "Read-only" in rig.stage._trouble, meanwhile=rig.step)
        rig.ahead_ns += MAX_RETRY_NS
        rig.step()
        assert documents.names()
    rig.ahead_ns += MAX_RETRY_NS
    until(lambda: not documents.names() and not rig.stage._trouble, meanwhile=rig.step)
    until(lambda: listener.bodies("glassline/loom-7/sheet"))
    time.sleep(0.2)
    rig.stage.close()
    assert listener.bodies("glassline/loom-7/sheet") == [b"1"]


def test_the_output_is_tried_by_a_message_of_its_own(broker: Mosquitto, listener: Listener) -> None:
    config = MqttConfig(kind="mqtt", host="127.0.0.1", port=broker.port)
    assert [name for name, _ in trials(config)] == ["message"]
    until(lambda: listener.bodies("glassline/test"))
    time.sleep(0.2)
    assert listener.topics() == ["glassline/test"]  # nothing else, so nothing retained
    broker.stop()
    with pytest.raises(DeviceLost, match="no connection"):
        list(trials(MqttConfig(kind="mqtt", host="127.0.0.1", port=free_port())))
