"""The OPC UA server seen by a second client: the machine-vision model, its events, and clients that must not get in the way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from pydantic import ValidationError

from glass_core.errors import AbsentError, InputError
from pipeline.config.line import LineConfig
from pipeline.config.outputs import OpcUaConfig
from pipeline.messages.cloth import Roll
from pipeline.messages.line import STALE_NS, Heartbeat, LineState
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Status
from pipeline.messages.states import Result, StageState, State
from pipeline.messages.verdicts import Verdict
from pipeline.outputs import vision_model as model
from pipeline.outputs.opcua import OpcUaOutput, make
from pipeline.outputs.passing import MAX_WAIT_NS, SETTLE_NS
from pipeline.outputs.vision_server import MAX_CLIENTS, VisionServer
from tests.fakes import Box, totals
from tests.mosquitto import free_port

CAMERAS = ("left", "right")
LINE = LineConfig.model_validate({"line": {"name": "loom-7"}, "cameras": [{"name": c, "source": "weave"} for c in CAMERAS]})
FIELDS = (
    "IsPartial",
    "IsSimulated",
    "ResultState",
    "ResultId",
    "JobId",
    "PartId",
    "MeasId",
    "InternalRecipeId",
    "ResultContent",
)


class Rig:
    """The stage, what it hears, and clients in a thread of their own."""

    def __init__(self, generation: int = 0, **change: Any) -> None:
        self.heard, self.decision = Box(), Box()
        self.config = OpcUaConfig.model_validate({"kind": "opcua", "bind": f"127.0.0.1:{free_port()}", **change})
        self.stage: OpcUaOutput = make(self.config, self.heard, self.decision, generation, LINE)
        self.url = f"opc.tcp://{self.config.bind}/glassline"
        self.ahead_ns = 0

    def step(self) -> None:
        self.stage.step(time.monotonic_ns() + self.ahead_ns)

    def ask(self, client: Callable[[], Awaitable[Any]], meanwhile: Callable[[], None] = lambda: None) -> Any:
        """What a client's coroutine gives, while the stage is stepped."""
        found: list[Any] = []

        def run() -> None:
            async def limited() -> Any:
                return await asyncio.wait_for(client(), 60)

            try:
                found.append(asyncio.run(limited()))
            except BaseException as e:
                found.append(e)

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            self.step()
            meanwhile()
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def say_state(self, state: State, number: int = 0, beats: bool = True) -> None:
        self.heard.send(
            LineState(number=number, generation=0, state=state, inspection_ok=True, detail="d", t_mono_ns=0, t_utc_ns=0)
        )
        if beats:
            self.heard.send(Heartbeat(number=number, generation=0, state=state, inspection_ok=True, verdicts=0, t_mono_ns=0))

    def say_roll(self, number: int, roll_id: str, start_mm: float, style: str = "twill") -> None:
        self.heard.send(Roll(number=number, generation=0, roll_id=roll_id, style=style, start_mm=start_mm, cause="command",
                             t_mono_ns=0, t_utc_ns=1_800_000_000 * 10**9))  # fmt: skip

    def say_verdict(self, number: int, **changes: Any) -> None:
        self.heard.send(Verdict.model_validate({
            "number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "result": Result.DEFECT,
            "roll_id": "R1", "style": "twill", "card_sha": "c4rd", "t_mono_ns": 0, "t_utc_ns": 0, **changes,
        }))  # fmt: skip

    def pass_by(self, mm: float, number: Iterator[int], cameras: tuple[str, ...] = CAMERAS) -> None:
        """Cloth beyond that place is judged, and some time goes by."""
        for camera in cameras:
            self.say_verdict(next(number), camera=camera, result=Result.PASS, roll_id="later", start_mm=mm - 5, end_mm=mm + 15)
        self.step()
        self.ahead_ns += SETTLE_NS
        self.step()


class Ear:
    """Keeps the events that a client is sent."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.events.append(event)


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.stage.close()


def test_a_second_client_finds_the_models_nodes_and_the_state(rig: Rig) -> None:
    rig.say_state(State.RUNNING, beats=False)
    rig.heard.send(totals(inspected_m=8.5, rejects=3, defect=2))

    async def client() -> dict[str, Any]:
        async with Client(rig.url) as c:
            mv, own = await c.get_namespace_index(model.NAMESPACE), await c.get_namespace_index("urn:glassline")
            system = await c.nodes.objects.get_child([f"{own}:loom-7"])
            machine = await system.get_child(f"{mv}:VisionStateMachine")
            automatic = await machine.get_child(f"{mv}:AutomaticModeStateMachine")
            lines = await system.get_child(f"{own}:Line")
            current = await automatic.get_child("0:CurrentState")
            return {
                "type": (await system.read_type_definition()).Identifier,
                "machine type": (await machine.read_type_definition()).Identifier,
                "states": [(await (await m.get_child("0:CurrentState")).read_value()).Text for m in (machine, automatic)],
                "id": (await (await current.get_child("0:Id")).read_value()).Identifier,
                "line": {(await v.read_browse_name()).Name: await v.read_value() for v in await lines.get_children()},
            }

    found = rig.ask(client)
    assert (found["type"], found["machine type"]) == (model.SYSTEM_TYPE, model.STATE_MACHINE_TYPE)
    assert found["states"] == ["Operational", "ContinuousExecution"]
    assert found["id"] == model.AUTOMATIC_STATES["ContinuousExecution"].node
    assert (found["line"]["InspectedMeters"], found["line"]["Rejects"], found["line"]["LineState"]) == (8.5, 3, "RUNNING")
    assert found["line"]["InspectionOk"] is True and found["line"]["Detail"] == "d"


def heard_events(rig: Rig, number: int, wanted: int, say: Callable[[], None]) -> list[Any]:
    """Those of one type that a client hears of what is said once it has subscribed."""
    ear, ready = Ear(), threading.Event()

    async def client() -> list[Any]:
        async with Client(rig.url) as c:
            await c.load_data_type_definitions()
            mv = await c.get_namespace_index(model.NAMESPACE)
            subscription = await c.create_subscription(10, ear)
            await subscription.subscribe_events(evtypes=ua.NodeId(number, mv))
            ready.set()
            while len(ear.events) < wanted:
                await asyncio.sleep(0.01)
            await subscription.delete()
            return ear.events

    said = False

    def meanwhile() -> None:
        nonlocal said
        if ready.is_set() and not said:
            said = True
            say()

    return list(rig.ask(client, meanwhile))


def test_defects_are_partial_results_and_a_rolls_end_the_final_one(rig: Rig) -> None:
    rig.say_roll(0, "R1", 0.0)
    number = count()

    def say() -> None:
        rig.say_verdict(next(number), result=Result.PASS)
        rig.say_verdict(next(number), camera="left", score=0.9, start_mm=10.0, end_mm=20.0)
        rig.say_verdict(next(number), rescan=True, start_mm=8000.0, end_mm=9000.0)  # passes nothing
        rig.say_verdict(next(number), result=Result.NOT_INSPECTED, reason=Reason.NO_FRAME)
        rig.say_roll(1, "R2", 5000.0, "velvet")
        rig.say_roll(1, "R2", 5000.0, "velvet")  # told again to a newcomer
        rig.pass_by(5000.0, number, ("left",))
        assert rig.stage.results == 1  # the other camera is yet to see the last of R1
        rig.say_verdict(next(number), roll_id="R1", camera="right", start_mm=4980.0, end_mm=4999.0)
        rig.pass_by(5000.0, number, ("right",))
        rig.say_verdict(next(number), roll_id="R1")  # decided even later

    partial, second, final, late = heard_events(rig, model.RESULT_READY, 4, say)
    assert [e.IsPartial for e in (partial, second, final, late)] == [True, True, False, True]
    assert (partial.ResultId.Id, second.ResultId.Id, final.ResultId.Id, late.ResultId.Id) == ("0.1", "0.5", "roll-0.0", "0.7")
    assert partial.JobId.Id == second.JobId.Id == final.JobId.Id == late.JobId.Id == "R1#0.0"
    assert (partial.PartId.Id, partial.MeasId.Id, partial.InternalRecipeId.Id) == ("R1", "left", "twill")
    assert partial.InternalRecipeId.Version == "c4rd" and partial.ResultState == 1
    assert all(e.IsSimulated for e in (partial, final, late))  # no camera of this line is a real one
    assert json.loads(partial.ResultContent[0])["score"] == 0.9
    counts = {"defects": 2, "not_inspected": 1, "complete": True, "start_mm": 0.0, "end_mm": 5000.0}
    assert json.loads(final.ResultContent[0]) == counts
    assert final.CreationTime.year == 2027


def test_a_roll_whose_end_no_camera_gets_to_is_over_after_a_minute(rig: Rig) -> None:
    rig.say_roll(0, "R1", 0.0)
    number = count()

    def say() -> None:
        rig.say_verdict(next(number), start_mm=10.0, end_mm=20.0)
        rig.say_roll(1, "R2", 5000.0)
        rig.pass_by(4000.0, number)
        assert rig.stage.results == 1
        rig.ahead_ns += MAX_WAIT_NS

    final = heard_events(rig, model.RESULT_READY, 2, say)[1]
    found = json.loads(final.ResultContent[0])
    assert (final.IsPartial, found["defects"], found["complete"]) == (False, 1, False)


@pytest.mark.parametrize(("generation", "first", "whole"), [(0, 0, True), (0, 7, False), (3, 7, False)])
def test_a_final_result_says_whether_it_counts_the_whole_roll(generation: int, first: int, whole: bool) -> None:
    rig = Rig(generation)
    number = count(first)
    try:
        rig.say_verdict(next(number))  # the welcome with the roll comes up to 250 ms later
        rig.say_roll(4, "R1", 0.0)

        def say() -> None:
            rig.say_verdict(next(number))
            rig.say_roll(5, "R2", 5000.0)
            rig.say_verdict(next(number), roll_id="R2")
            rig.say_verdict(next(number), roll_id="R1")  # a frame that was on its way: it is none of R2's
            rig.say_verdict(next(number), roll_id="R1", result=Result.NOT_INSPECTED, reason=Reason.NO_FRAME)
            rig.pass_by(5000.0, number)
            rig.say_roll(6, "R3", 9000.0)
            rig.pass_by(9000.0, number)
            next(number)  # a verdict fell out on its way
            rig.say_verdict(next(number), roll_id="R3")
            rig.say_roll(7, "R4", 9900.0)
            rig.pass_by(9900.0, number)
            rig.say_verdict(next(number), roll_id="R4")
            rig.say_roll(8, "", 9999.0)
            rig.pass_by(9999.0, number)

        events = heard_events(rig, model.RESULT_READY, 9, say)
        final = [(e.PartId.Id, json.loads(e.ResultContent[0])) for e in events if not e.IsPartial]
        assert [(name, c["defects"], c["not_inspected"], c["complete"]) for name, c in final] == [
            ("R1", 3, 1, whole), ("R2", 1, 0, True), ("R3", 1, 0, False), ("R4", 1, 0, True),
        ]  # fmt: skip
    finally:
        rig.stage.close()


def test_a_job_begins_with_a_roll_and_states_change_with_an_event(rig: Rig) -> None:
    (started,) = heard_events(rig, model.JOB_STARTED, 1, lambda: rig.say_roll(4, "R9", 1.0))
    assert started.JobId.Id == "R9#0.4"
    rig.say_state(State.READY, 1, beats=False)  # no heartbeat, so none that grows old while a client connects
    rig.step()

    def say() -> None:
        rig.say_state(State.RUNNING, 2, beats=False)
        rig.say_state(State.FAULT, 3, beats=False)

    changes = heard_events(rig, model.STATE_CHANGED, 3, say)
    assert [(e.FromState.Text, e.ToState.Text) for e in changes] == [
        ("Ready", "ContinuousExecution"), ("Operational", "Error"), ("ContinuousExecution", "Initialized"),
    ]  # fmt: skip


def test_before_the_first_heartbeat_both_machines_have_a_state(rig: Rig) -> None:
    server = rig.stage._server
    states = [server._run(server._nodes[m].read_value()) for m in ("VisionStateMachine", "AutomaticModeStateMachine")]
    assert [s.Text for s in states] == ["Preoperational", "Initialized"] and server._told["LineState"] == "SILENT"


def test_a_line_that_says_nothing_is_preoperational(rig: Rig) -> None:
    rig.say_state(State.RUNNING)
    rig.step()
    assert rig.stage._server._standing == ("Operational", "ContinuousExecution")
    rig.ahead_ns += STALE_NS + 10**8
    rig.step()
    assert rig.stage._server._standing == ("Preoperational", "Initialized")
    told = rig.stage._server._told
    assert (told["InspectionOk"], told["LineState"]) == (False, "SILENT") and "says nothing" in told["Detail"]
    rig.ahead_ns = 0
    rig.say_state(State.RUNNING, 1)
    rig.step()
    assert (told["LineState"], told["Detail"]) == ("RUNNING", "d")


def test_every_state_of_the_line_has_its_states() -> None:
    assert set(model.STANDING) == set(State)
    assert {s for s, _ in model.STANDING.values()} <= set(model.SYSTEM_STATES)
    assert {a for _, a in model.STANDING.values()} <= set(model.AUTOMATIC_STATES)


def test_nobody_writes_deletes_or_adds(rig: Rig) -> None:
    async def client() -> list[str]:
        refused = []
        async with Client(rig.url) as c:
            own = await c.get_namespace_index("urn:glassline")
            node = c.get_node(ua.NodeId("loom-7.InspectionOk", own))
            for act in (
                lambda: node.write_value(True),
                lambda: node.delete(),
                lambda: c.nodes.objects.add_object(own, "mine"),
            ):
                try:
                    await act()
                except ua.UaError as e:
                    refused.append(type(e).__name__)
        return refused

    assert len(rig.ask(client)) == 3


def test_a_client_that_calls_itself_admin_is_not_let_in(rig: Rig) -> None:
    async def client() -> None:
        c = Client(rig.url)
        c.set_user("admin")
        async with c:
            pass

    with pytest.raises(ua.UaError):
        rig.ask(client)


def test_a_client_that_floods_and_one_that_never_speaks_cost_the_line_nothing(rig: Rig) -> None:
    """Two thousand requests at once from one, as many mute connections as there may be, garbage from another."""
    longest_s = 0.0
    mute = [socket.create_connection(rig.config.address) for _ in range(MAX_CLIENTS + 4)]
    mute[0].sendall(b"\xff" * 1000)
    mute[1].sendall(b"HELF" + (2**31 - 1).to_bytes(4, "little"))
    for _ in range(20):
        rig.step()
    assert rig.stage._server.clients <= MAX_CLIENTS
    for each in mute:
        each.close()
    for _ in range(20):
        rig.step()
    last_s = time.monotonic()
    told = 0

    def meanwhile() -> None:
        nonlocal longest_s, last_s, told
        now_s = time.monotonic()
        longest_s, last_s = max(longest_s, now_s - last_s), now_s
        rig.say_verdict(told)
        told += 1

    async def client() -> int:
        c = Client(rig.url, timeout=5)
        async with c:
            node = c.nodes.server_state
            answers = await asyncio.gather(*(node.read_value() for _ in range(2000)), return_exceptions=True)
        return sum(not isinstance(a, BaseException) for a in answers)

    # it may be hung up on, which is its own affair
    with contextlib.suppress(ConnectionError, TimeoutError, ua.UaError, asyncio.CancelledError):
        rig.ask(client, meanwhile)
    assert longest_s < 5.0 and told > 3 and rig.stage.results >= told - 1  # a supervisor bears a silence of 10 s

    async def honest() -> str:
        async with Client(rig.url) as c:
            return str(ua.ServerState(await c.nodes.server_state.read_value()).name)

    assert rig.ask(honest) == "Running"


def test_a_client_that_never_reads_is_hung_up_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    class Owing:
        aborted = False

        def get_write_buffer_size(self) -> int:
            return 5 << 20

        def abort(self) -> None:
            self.aborted = True

        def close(self) -> None:
            pass

    owing = Owing()
    rig.stage._server._server.iserver.asyncio_transports.append(owing)
    rig.step()
    assert owing.aborted
    rig.stage._server._server.iserver.asyncio_transports.remove(owing)


def test_an_address_that_the_machine_does_not_have_yet_is_waited_for() -> None:
    away = OpcUaConfig(kind="opcua").model_copy(update={"bind": "192.0.2.1:4840"})
    with pytest.raises(AbsentError, match=r"192[.]0[.]2[.]1:4840"):
        make(away, Box(), Box(), 0, LINE)


def test_an_address_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = OpcUaConfig(kind="opcua", bind=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(InputError, match="address not free"):
            VisionServer(config, LINE)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"bind": "0.0.0.0:4840"}, "beyond this machine"), ({"bind": "4840"}, "ADDRESS:PORT"),
        ({"certificate": "a"}, "belong together"),
    ],
)  # fmt: skip
def test_a_server_that_is_open_to_everybody_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OpcUaConfig.model_validate({"kind": "opcua", **given})


def identity(folder: Path, name: str, days: int) -> tuple[Path, Path]:
    """A certificate as OPC UA wants it, valid from thirty days ago for so many days from now, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    said = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(said).issuer_name(said).public_key(key.public_key()).serial_number(9)
        .not_valid_before(now - timedelta(30)).not_valid_after(now + timedelta(days))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:glassline:{name}")]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    encoding, plain = serialization.Encoding, serialization.NoEncryption()
    (folder / f"{name}.der").write_bytes(made.public_bytes(encoding.DER))
    (folder / f"{name}.key.pem").write_bytes(key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return folder / f"{name}.der", folder / f"{name}.key.pem"


def test_only_trusted_certificates_in_date_come_in_and_our_own_out_of_date_is_told(tmp_path: Path) -> None:
    from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

    trusted = tmp_path / "trusted"
    trusted.mkdir()
    certificate, key = identity(tmp_path, "loom-7", 5)
    good, late, stranger = identity(tmp_path, "good", 5), identity(tmp_path, "late", -1), identity(tmp_path, "stranger", 5)
    for each in (good, late):
        (trusted / each[0].name).write_bytes(each[0].read_bytes())
    rig = Rig(certificate=str(certificate), key=str(key), trusted=str(trusted))

    def client(pair: tuple[Path, Path]) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            c = Client(rig.url)
            c.application_uri = f"urn:glassline:{pair[0].stem}"
            await c.set_security(SecurityPolicyBasic256Sha256, pair[0], pair[1], server_certificate=certificate)
            async with c:
                return str(ua.ServerState(await c.nodes.server_state.read_value()).name)

        return ask

    async def plain() -> None:
        async with Client(rig.url):
            pass

    assert rig.ask(client(good)) == "Running"
    for refused in (client(late), client(stranger), plain):
        with pytest.raises((ua.UaError, ConnectionError)):
            rig.ask(refused)
    assert rig.stage.counters["refused_clients"] == 2
    assert rig.decision.take(Status)[-1].state is StageState.READY
    rig.stage._utc = lambda: datetime.now(UTC) + timedelta(6)
    rig.ahead_ns += 60 * 10**9
    rig.step()
    told = rig.decision.take(Status)[-1]
    assert told.state is StageState.DEGRADED and "is out of date since" in told.detail and "make a new one" in told.detail
    rig.stage.close()
