"""The OPC UA server and its nodes: a machine-vision system of OPC 40100-1, which can be read and subscribed to.

Nothing can be written or called. The standard's nodes are in vision_model; the line's own figures stand beside them under the
namespace urn:glassline. The server runs on an event loop that is turned for some milliseconds at a time, so a client that
floods takes time from other clients, and from nobody in the line.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Coroutine
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
from pipeline.outputs import vision_model as model

OWN = "urn:glassline"
SLICE_S = 0.002
"""So long is the server's turn; a message of the line waits at most so long."""
MAX_CLIENTS, MAX_PENDING, MAX_SUBSCRIPTIONS, MAX_QUEUE = 8, 100, 32, 1000
MAX_MESSAGE_BYTES = 1 << 20
MAX_OWED_BYTES = 4 << 20
"""A client that asks and never reads is hung up on."""
FIGURES: dict[str, Any] = {
    "LineState": "", "InspectionOk": False, "Detail": "", "RollId": "", "Style": "", "PositionMillimeters": 0.0,
    "SpeedMillimetersPerSecond": 0.0, "InspectedMeters": 0.0, "NotInspectedMeters": 0.0, "Verdicts": 0, "Defects": 0,
    "NotInspected": 0, "Rejects": 0, "Heartbeat": 0, "MissedMessages": 0,
}  # fmt: skip
"""Of the line's own, by name, with what they are before there is a word of it."""

Struct = tuple[str, dict[str, Any]]
"""A structure of the standard: its name and its fields."""

T = TypeVar("T")


class VisionServer:
    """The server and its nodes; each call turns its event loop until it is done."""

    def __init__(self, config: OpcUaConfig, line: LineConfig) -> None:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what clients do wrong is theirs to know
        self._config, self.line = config, line
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
        server.set_server_name(f"glassline {self.line.line.name}")
        server.set_endpoint(f"opc.tcp://{self._config.bind}/glassline")
        await server.set_application_uri(f"urn:glassline:{self.line.line.name}")
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
        server, name = self._server, self.line.line.name
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
