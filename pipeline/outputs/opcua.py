"""An OPC UA server that shows the line as a machine-vision system of OPC 40100-1, in a process of its own.

It can be read and subscribed to, and nothing can be written or called. The standard's nodes are in vision_model; the line's own
figures stand beside them under the namespace urn:glassline. The server runs on an event loop that is turned for some
milliseconds in each step, so a client that floods takes time from other clients, and from nobody in the line.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from asyncua import Server, ua
from asyncua.common.manage_nodes import create_data_type, create_encoding
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from asyncua.server.event_generator import EventGenerator

from glass_core.errors import AbsentError, InputError
from pipeline.config.line import LineConfig
from pipeline.config.outputs import OpcUaConfig
from pipeline.devices import DeviceLost
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.cloth import Roll
from pipeline.messages.line import Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.states import Result, StageState
from pipeline.messages.verdicts import Verdict
from pipeline.outputs import vision_model as model
from pipeline.outputs.notices import Teller

OWN = "urn:glassline"
SLICE_S = 0.002
"""So long is the server's turn; a message of the line waits at most so long."""
TURN_NS, ALONE_NS = 8_000_000, 50_000_000
"""From turn to turn while there are clients, and while there are none."""
STALE_NS = 1_000_000_000
"""Without a heartbeat for so long nobody says how the line is."""
LOOK_NS = 60_000_000_000
MAX_CLIENTS, MAX_PENDING, MAX_SUBSCRIPTIONS, MAX_QUEUE = 8, 100, 32, 1000
MAX_MESSAGE_BYTES = 1 << 20
MAX_OWED_BYTES = 4 << 20
"""A client that asks and never reads is hung up on."""
MESSAGES_PER_STEP = 256
JOBS = 8
FIGURES: dict[str, Any] = {
    "LineState": "", "InspectionOk": False, "Detail": "", "RollId": "", "Style": "", "PositionMillimeters": 0.0,
    "SpeedMillimetersPerSecond": 0.0, "InspectedMeters": 0.0, "NotInspectedMeters": 0.0, "Verdicts": 0, "Defects": 0,
    "NotInspected": 0, "Rejects": 0, "Heartbeat": 0, "MissedMessages": 0,
}  # fmt: skip
"""Of the line's own, by name, with what they are before there is a word of it."""

T = TypeVar("T")


def make(config: OpcUaConfig, heard: Inbox, decision: Outbox, generation: int, line: LineConfig) -> OpcUaOutput:
    """The stage of one server; InputError where its address is taken, or its certificates cannot be read.

    AbsentError where the machine does not have its address now.
    """
    return OpcUaOutput(heard, decision, VisionServer(config, line), config.name, generation)


def trials(config: OpcUaConfig) -> Iterator[tuple[str, str]]:
    """Serves for a moment."""
    try:
        server = VisionServer(config, LineConfig())
    except InputError as e:
        raise DeviceLost(str(e)) from None
    try:
        yield "server", f"opc.tcp://{config.bind}, served"
    finally:
        server.close()


class VisionServer:
    """The server and its nodes; each call turns its event loop until it is done."""

    def __init__(self, config: OpcUaConfig, line: LineConfig) -> None:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what clients do wrong is theirs to know
        self._config, self._line = config, line
        self._loop = asyncio.new_event_loop()
        self._server = Server()
        self._nodes: dict[str, Any] = {}
        self._told: dict[str, Any] = {}
        self._standing = ("", "")
        self._certificate: Any = None
        self.refused = 0
        """Clients whose certificate is not trusted, or out of date."""
        try:
            self._run(self._begin())
        except OSError as e:
            self.close()
            if e.errno in (errno.EADDRNOTAVAIL, errno.ENODEV, None):  # asyncio tells the first of them without a number
                words = f"no such address here, bind {config.bind}, see that the network is up or choose another"
                raise AbsentError(words) from None
            raise InputError(f"address not free, {config.bind}, {e.strerror}: choose another bind") from None
        except BaseException:
            self.close()
            raise

    def turn(self) -> None:
        """Let clients have their time; whoever owes too much reading is hung up on."""
        self._run(asyncio.sleep(SLICE_S))
        for transport in [*self._server.iserver.asyncio_transports]:
            if transport.get_write_buffer_size() > MAX_OWED_BYTES:
                transport.abort()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._server.iserver.asyncio_transports)

    def expired(self, now: datetime) -> str:
        """What is wrong with our own certificate; empty: nothing, or there is none."""
        if self._certificate is None or self._certificate.not_valid_after_utc > now:
            return ""
        return (
            f"certificate {self._config.certificate} is out of date since "
            f"{self._certificate.not_valid_after_utc:%Y-%m-%d}: clients refuse it, make a new one"
        )

    def show(self, **figures: Any) -> None:
        """Write those of the line's own figures that have changed."""
        for name, value in figures.items():
            if self._told.get(name) != value:
                self._told[name] = value
                self._run(self._nodes[name].write_value(ua.Variant(value, _kind(value))))

    def stand(self, standing: tuple[str, str]) -> None:
        """Bring both state machines there, with an event for each that changes."""
        if standing != self._standing:
            before, self._standing = self._standing, standing
            self._run(self._stand(before, standing))

    def event(self, number: int, message: str, **fields: Any) -> None:
        """Send an event of the standard; a structure is given as its name and fields."""
        self._run(self._event(number, message, fields))

    def close(self) -> None:
        """Hang up on everybody."""
        for transport in [*self._server.iserver.asyncio_transports]:
            transport.abort()
        try:
            self._run(asyncio.wait_for(self._server.stop(), 1.0))
        except Exception:
            pass  # it may not have begun
        finally:
            self._run(asyncio.sleep(0.02))  # connections are closed by callbacks
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._run(asyncio.sleep(0))
            self._run(self._loop.shutdown_default_executor())
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _begin(self) -> None:
        server, (host, port) = self._server, self._config.address
        await server.init()
        server.set_server_name(f"glassline {self._line.line.name}")
        server.set_endpoint(f"opc.tcp://{self._config.bind}/glassline")
        await server.set_application_uri(f"urn:glassline:{self._line.line.name}")
        server.allow_remote_admin(False)
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        limits, inner = server.limits, server.iserver
        limits.max_message_size, limits.max_chunk_count = MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES // limits.max_recv_buffer + 1
        inner.max_connections, inner.max_subscriptions = MAX_CLIENTS, MAX_SUBSCRIPTIONS
        inner.max_pending_messages_per_connection, inner.max_monitored_item_queue_size = MAX_PENDING, MAX_QUEUE
        await self._secure()
        standard, own = await server.register_namespace(model.NAMESPACE), await server.register_namespace(OWN)
        await self._types(standard)
        await self._instances(standard, own)
        await self._stand(self._standing, model.SILENT)
        self._standing = model.SILENT
        server.socket_address = host, port
        await server.start()

    async def _secure(self) -> None:
        server, config = self._server, self._config
        if config.certificate is None or config.key is None or config.trusted is None:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        try:
            await server.load_certificate(config.certificate)
            await server.load_private_key(config.key)
            self._certificate = server.iserver.certificate
            known = {uacrypto.der_from_x509(await uacrypto.load_certificate(p)) for p in await _files(config.trusted)}
        except (OSError, ValueError) as e:
            raise InputError(f"certificate not readable ({e}), {config.bind}, see to certificate, key and trusted") from None
        policies = [
            ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
            ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
        ]
        server.set_security_policy(policies)

        async def check(certificate: Any, description: Any) -> None:
            now = datetime.now(UTC)
            if uacrypto.der_from_x509(certificate) not in known:
                self.refused += 1
                raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)
            if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                self.refused += 1
                raise ServiceError(ua.StatusCodes.BadCertificateTimeInvalid)

        server.set_certificate_validator(check)

    async def _types(self, ns: int) -> None:
        """The standard's types, as far as they are used, under the standard's numbers."""
        nodes = self._server.nodes
        for name, structure in model.STRUCTURES.items():
            kind = await create_data_type(nodes.base_structure_type, ua.NodeId(structure.node, ns), ua.QualifiedName(name, ns))
            encoding = await create_encoding(kind, ua.NodeId(structure.encoding, ns), ua.QualifiedName("Default Binary", 0))
            optional = any(f.optional for f in structure.fields)
            definition = ua.StructureDefinition(
                DefaultEncodingId=encoding.nodeid,
                BaseDataType=nodes.base_structure_type.nodeid,
                StructureType=ua.StructureType.StructureWithOptionalFields if optional else ua.StructureType.Structure,
                Fields=[
                    ua.StructureField(
                        Name=f.name, DataType=ua.NodeId(f.type), ValueRank=ua.ValueRank.Scalar, IsOptional=f.optional
                    )
                    for f in structure.fields
                ],
            )
            await kind.write_data_type_definition(definition)
        await self._server.load_data_type_definitions()
        for number, (name, parent, properties) in model.EVENTS.items():
            kind = await self._server.get_node(ua.NodeId(parent)).add_object_type(
                ua.NodeId(number, ns), ua.QualifiedName(name, ns)
            )
            for field, node in properties.items():
                value = _value(_EMPTY[field])
                await kind.add_property(ua.NodeId(node, ns), ua.QualifiedName(field, ns), value)
        machines = self._server.get_node(ua.NodeId(ua.ObjectIds.FiniteStateMachineType))
        for number, name, states in (
            (model.STATE_MACHINE_TYPE, "VisionStateMachineType", model.SYSTEM_STATES),
            (model.AUTOMATIC_TYPE, "VisionAutomaticModeStateMachineType", model.AUTOMATIC_STATES),
        ):
            machine = await machines.add_object_type(ua.NodeId(number, ns), ua.QualifiedName(name, ns))
            for state, (node, value) in states.items():
                made = await machine.add_object(
                    ua.NodeId(node, ns),
                    ua.QualifiedName(state, ns),
                    ua.NodeId(ua.ObjectIds.StateType),
                    instantiate_optional=False,
                )
                place = await made.get_child("0:StateNumber")
                await place.write_value(ua.Variant(value, ua.VariantType.UInt32))
        await nodes.base_object_type.add_object_type(ua.NodeId(model.SYSTEM_TYPE, ns), ua.QualifiedName("VisionSystemType", ns))

    async def _instances(self, ns: int, own: int) -> None:
        server, name = self._server, self._line.line.name
        system = await server.nodes.objects.add_object(
            ua.NodeId(name, own), ua.QualifiedName(name, own), ua.NodeId(model.SYSTEM_TYPE, ns)
        )
        parent = system
        for number, machine in (
            (model.STATE_MACHINE_TYPE, "VisionStateMachine"), (model.AUTOMATIC_TYPE, "AutomaticModeStateMachine"),
        ):  # fmt: skip
            parent = await parent.add_object(
                ua.NodeId(f"{name}.{machine}", own), ua.QualifiedName(machine, ns), ua.NodeId(number, ns),
                instantiate_optional=False,
            )  # fmt: skip
            current = await parent.get_child("0:CurrentState")
            self._nodes[machine], self._nodes[f"{machine}.Id"] = current, await current.get_child("0:Id")
        figures = await system.add_object(ua.NodeId(f"{name}.Line", own), ua.QualifiedName("Line", own))
        for figure, value in FIGURES.items():
            self._nodes[figure] = await figures.add_variable(
                ua.NodeId(f"{name}.{figure}", own), ua.QualifiedName(figure, own), ua.Variant(value, _kind(value))
            )
            self._told[figure] = value
        self._generators = {
            number: [
                await server.get_event_generator(ua.NodeId(number, ns), emitting)
                for emitting in (system, server.nodes.server)  # the Server object must give what all others give
            ]
            for number in model.EVENTS
        }
        self._ns = ns

    async def _stand(self, before: tuple[str, str], standing: tuple[str, str]) -> None:
        for machine, states, was, now in (
            ("VisionStateMachine", model.SYSTEM_STATES, before[0], standing[0]),
            ("AutomaticModeStateMachine", model.AUTOMATIC_STATES, before[1], standing[1]),
        ):
            if was == now:
                continue
            node = ua.NodeId(states[now].node, self._ns)
            await self._nodes[machine].write_value(ua.LocalizedText(now))
            await self._nodes[f"{machine}.Id"].write_value(node)
            if was:
                texts = {"FromState": ua.LocalizedText(was), "ToState": ua.LocalizedText(now)}
                await self._event(model.STATE_CHANGED, f"{machine}: {was} to {now}", texts)

    async def _event(self, number: int, message: str, fields: dict[str, Any]) -> None:
        values = {name: _value(given) for name, given in fields.items()}
        for generator in self._generators[number]:
            assert isinstance(generator, EventGenerator)
            for name, value in values.items():
                setattr(generator.event, name, value)
            await generator.trigger(message=message)


Struct = tuple[str, dict[str, Any]]
_EMPTY: dict[str, Any] = {
    "CreationTime": datetime(1970, 1, 1, tzinfo=UTC), "IsPartial": False, "IsSimulated": False, "ResultContent": ["{}"],
    "ResultState": 0, "InternalConfigurationId": ("ConfigurationIdDataType", {"Id": ""}),
    "InternalRecipeId": ("RecipeIdInternalDataType", {"Id": ""}), "InternalId": ("RecipeIdInternalDataType", {"Id": ""}),
    "JobId": ("JobIdDataType", {"Id": ""}), "MeasId": ("MeasIdDataType", {"Id": ""}), "PartId": ("PartIdDataType", {"Id": ""}),
    "ResultId": ("ResultIdDataType", {"Id": ""}),
}  # fmt: skip
"""A value of each property of an event, from which its type is known."""


def _value(given: Any) -> Any:
    """A structure, where its name and its fields are given."""
    if isinstance(given, tuple):
        name, fields = given
        return getattr(ua, name)(**fields)
    return ua.Variant(given, ua.VariantType.Int32) if type(given) is int else given


def _kind(value: Any) -> ua.VariantType:
    match value:
        case bool():
            return ua.VariantType.Boolean
        case int():
            return ua.VariantType.UInt64
        case float():
            return ua.VariantType.Double
    return ua.VariantType.String


async def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in (".der", ".pem", ".crt"))


class OpcUaOutput:
    """The stage: hears the publisher and keeps the server's nodes; nobody waits for it, and it tells no command to decision.

    A defect is a partial result of the job, a roll's end the final one. A certificate of its own out of date is DEGRADED.
    """

    idle_ms = 8

    def __init__(
        self,
        heard: Inbox,
        decision: Outbox,
        server: VisionServer,
        name: str,
        generation: int,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._heard, self._server, self._utc = heard, server, utc
        self._status = StatusReport(decision, "output", name, generation)
        self._teller, self._missed = Teller(), 0
        self._simulated = not server._line.cameras or any(c.source != "basler" for c in server._line.cameras)
        self._jobs: OrderedDict[str, str] = OrderedDict()
        """By a roll's name, the job of its cloth."""
        self._roll: Roll | None = None
        self._counts = {"defects": 0, "not_inspected": 0}
        self._beat_ns: int | None = None
        self._detail = ""
        self._look_ns = self._turn_ns = 0
        self._trouble = ""
        self.state = StageState.READY
        self.handled = self.waiting = self.results = 0
        self._show_silence()

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {
            "clients": self._server.clients, "results": self.results, "refused_clients": self._server.refused,
            **self._heard.refused.counters,
        }  # fmt: skip

    def step(self, now_ns: int) -> bool:
        """Hear what is published, then give the clients their turn."""
        moved, before = False, self.results
        for message, _ in portion(self._heard, MESSAGES_PER_STEP):
            self._hear(message, now_ns)
            self.handled += 1
            moved = True
        if self._beat_ns is not None and now_ns - self._beat_ns > STALE_NS:
            self._beat_ns = None
            self._server.stand(model.SILENT)
            self._show_silence()
        if self.results != before or now_ns >= self._turn_ns:
            self._server.turn()
            self._turn_ns = now_ns + (TURN_NS if self._server.clients else ALONE_NS)
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_NS
            self._trouble = self._server.expired(self._utc())
        self._status.tell(now_ns, StageState.DEGRADED if self._trouble else StageState.READY, self._trouble)
        return moved

    def close(self) -> None:
        """The line is gone, and so is the server."""
        self._server.close()

    def _hear(self, message: Message, now_ns: int) -> None:
        match message:
            case Heartbeat():
                self._beat_ns = now_ns
                self._server.show(
                    Heartbeat=message.number, InspectionOk=message.inspection_ok, LineState=message.state.value,
                    Detail=self._detail,
                )  # fmt: skip
                self._server.stand(model.STANDING[message.state])
            case LineState():
                self._detail = message.detail
                self._server.show(LineState=message.state.value, InspectionOk=message.inspection_ok, Detail=message.detail)
                self._server.stand(model.STANDING[message.state])
            case Totals():
                self._show(message)
            case Roll():
                self._begin(message)
            case Verdict() if message.result is not Result.PASS:
                self._result(message)
        for _ in self._teller.hear(message):
            pass
        self._missed += self._teller.missed().total()
        self._server.show(MissedMessages=self._missed)

    def _show_silence(self) -> None:
        self._server.show(InspectionOk=False, LineState="SILENT", Detail="the line's decision says nothing")

    def _show(self, t: Totals) -> None:
        self._server.show(
            Verdicts=t.verdicts, Defects=t.defect, NotInspected=t.not_inspected, Rejects=t.rejects,
            PositionMillimeters=t.position_mm or 0.0, SpeedMillimetersPerSecond=t.speed_mm_s or 0.0,
            InspectedMeters=t.inspected_m or 0.0, NotInspectedMeters=t.not_inspected_m or 0.0,
        )  # fmt: skip

    def _begin(self, roll: Roll) -> None:
        """The roll before has its final result, and the job of this one begins."""
        before = self._roll
        if before is not None and (before.generation, before.number) == (roll.generation, roll.number):
            return
        if before is not None and before.roll_id == roll.roll_id and before.start_mm == roll.start_mm:
            self._roll = roll  # told again after a restart
            return
        if before is not None and before.roll_id:
            counts, end_mm = json.dumps({**self._counts, "end_mm": roll.start_mm, "start_mm": before.start_mm}), roll.t_utc_ns
            self._ready(before.roll_id, before.style, f"roll-{before.generation}.{before.number}", False, counts, end_mm)
            self._server.event(model.READY, f"roll {before.roll_id} has ended", JobId=self._job(before.roll_id))
        self._roll, self._counts = roll, dict.fromkeys(self._counts, 0)
        self._jobs[roll.roll_id] = f"{roll.roll_id}#{roll.generation}.{roll.number}"
        while len(self._jobs) > JOBS:
            self._jobs.popitem(last=False)
        self._server.show(RollId=roll.roll_id, Style=roll.style)
        if roll.roll_id:
            self._server.event(model.RECIPE_PREPARED, f"style {roll.style}", InternalId=_recipe(roll.style, ""))
            self._server.event(model.JOB_STARTED, f"roll {roll.roll_id}", JobId=self._job(roll.roll_id))

    def _result(self, verdict: Verdict) -> None:
        if verdict.result is Result.NOT_INSPECTED:
            self._counts["not_inspected"] += 1
        elif verdict.counts_as_defect:
            self._counts["defects"] += 1
            body = verdict.model_dump_json(include={
                "camera", "seq", "score", "lanes", "regions", "start_mm", "end_mm", "number", "generation", "roll_id", "event",
            })  # fmt: skip
            number = f"{verdict.generation}.{verdict.number}"
            self._ready(verdict.roll_id, verdict.style, number, True, body, verdict.t_utc_ns, verdict)

    def _ready(
        self, roll_id: str, style: str, result_id: str, partial: bool, body: str, utc_ns: int, verdict: Verdict | None = None
    ) -> None:
        self.results += 1
        line = self._server._line
        self._server.event(
            model.RESULT_READY, f"{'defect' if partial else 'roll'} {result_id}",
            ResultId=("ResultIdDataType", {"Id": result_id}), JobId=self._job(roll_id), IsPartial=partial,
            IsSimulated=self._simulated, ResultState=model.COMPLETED, ResultContent=[body],
            PartId=("PartIdDataType", {"Id": roll_id}), MeasId=("MeasIdDataType", {"Id": verdict.camera if verdict else ""}),
            InternalRecipeId=_recipe(style, verdict.card_sha if verdict else ""),
            InternalConfigurationId=("ConfigurationIdDataType", {"Id": line.line.name, "Version": line.sha}),
            CreationTime=datetime.fromtimestamp(utc_ns / 1e9, UTC),
        )  # fmt: skip

    def _job(self, roll_id: str) -> Struct:
        return "JobIdDataType", {"Id": self._jobs.get(roll_id, roll_id)}


def _recipe(style: str, card_sha: str) -> Struct:
    """The style; its version is the card that judged."""
    return "RecipeIdInternalDataType", {"Id": style or "default", **({"Version": card_sha} if card_sha else {})}
