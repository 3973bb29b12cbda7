"""The `outputs:` section: the publisher, and one class a kind of wire to machines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from glass_core.settings.section import Section
from pipeline.config.devices import ModbusAddress, ProcessName, split_address


class PublisherConfig(Section):
    """Where verdicts, rejects and states are published."""

    kind: Literal["publisher"]
    bind: str = "ipc://auto"
    """`ipc://auto`: a socket in the line's own folder, for this user alone; `ipc://PATH`: one elsewhere.

    `tcp://ADDRESS:PORT`: that one, too, for clients with a key.
    """
    keys: Path | None = None
    """The folder that `glassline keys` made: the line's own pair, and the public keys of those who may listen over TCP."""

    @model_validator(mode="after")
    def _closed(self) -> PublisherConfig:
        tcp = re.fullmatch(r"tcp://(?:\*|[\w.-]+|\[[\da-fA-F:.]+\]):([1-9]\d{0,4})", self.bind, re.ASCII)
        if tcp and int(tcp[1]) > 65_535:
            raise ValueError(f"bind {self.bind}: ports go up to 65535")
        if not tcp and not re.fullmatch(r"ipc://[^@*\x00][^\x00]*", self.bind):  # @ is a name that every user may connect to
            raise ValueError(f"bind {self.bind}: ipc://auto, ipc://PATH or tcp://ADDRESS:PORT are allowed")
        if tcp and self.keys is None:
            raise ValueError(f"bind {self.bind} needs `keys:`, make them with `glassline keys DIR NAME`, or use ipc://auto")
        if self.keys is not None and not tcp:
            raise ValueError(f"keys are for tcp://, bind is {self.bind}: leave them out")
        return self


class ModbusConfig(ModbusAddress):
    """Remote I/O or a PLC, over Modbus TCP; its register map stands in docs/protocols/modbus.md."""

    name: ProcessName = "plc"
    carries_rejects: bool = True
    """The machine acts on what is written here: while it is mute, no cloth may pass. False: it only shows how the line is."""
    coils_at: int = Field(default=0, ge=0, le=65000)
    registers_at: int | None = Field(default=0, ge=0, le=65000)
    """Null: remote I/O that has only coils."""
    pulse_ms: float = Field(default=100.0, ge=10)
    """How long a mark's coil is on."""


class TlsConfig(Section):
    """How a connection is encrypted; the other side is always checked."""

    ca: Path | None = None
    """Certificates of those who may vouch for the other side; null: those that the system trusts."""
    certificate: Path | None = None
    """Our own, with its key, where the other side asks for one."""
    key: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> TlsConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together, give both or none")
        return self


class MqttConfig(Section):
    """A broker that is told of the line; its topics stand in docs/protocols/mqtt.md."""

    kind: Literal["mqtt"]
    name: ProcessName = "mqtt"
    host: Annotated[str, Field(pattern=r"^[\w.:-]+$")]
    port: int = Field(default=1883, ge=1, le=65535)
    """8883 where `tls` is given, as a rule."""
    topic: Annotated[str, Field(max_length=200)] = "glassline"
    """Topics are TOPIC/LINE/state and so on, LINE being the line's name."""
    user: str | None = None
    password_file: Path | None = None
    """Its first line is the password."""
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The variable of the environment that holds the password."""
    tls: TlsConfig | None = None
    timeout_ms: float = Field(default=2000.0, ge=100, le=5000)
    """A broker that has not answered by then does not answer."""
    carries_rejects: bool = False
    """True: a machine acts on what it hears there; while the broker is lost no cloth may pass."""
    rolls: bool = False
    """The document of each finished roll goes there, too."""

    @model_validator(mode="after")
    def _sane(self) -> MqttConfig:
        levels = self.topic.split("/")
        if not all(levels) or levels[0].startswith("$") or any(c in "+#" or not c.isprintable() for c in self.topic):
            raise ValueError(f"topic {self.topic!r}: levels of at least one letter, without +, #, or a $ in front")
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("the password is in one place, password_file or password_env")
        if self.user is None and (self.password_file is not None or self.password_env is not None):
            raise ValueError("a password needs its user")
        return self


class FolderConfig(Section):
    """A folder that takes the document of each finished roll as one file; its schema stands in docs/protocols/roll.md."""

    kind: Literal["folder"]
    name: ProcessName = "mes"
    path: Path
    carries_rejects: ClassVar[bool] = False
    rolls: ClassVar[bool] = True


class OpcUaConfig(Section):
    """An OPC UA server that shows the line as a machine-vision system (OPC 40100-1): everybody may read, nobody may write."""

    kind: Literal["opcua"]
    name: ProcessName = "opcua"
    bind: str = "127.0.0.1:4840"
    """ADDRESS:PORT; beyond this machine only with `certificate`, `key` and `trusted`."""
    certificate: Path | None = None
    """DER or PEM, with the URI urn:glassline:LINE in it."""
    key: Path | None = None
    trusted: Path | None = None
    """A folder of clients' certificates; no other client is let in, and every connection is signed and encrypted."""
    carries_rejects: ClassVar[bool] = False

    @model_validator(mode="after")
    def _guarded(self) -> OpcUaConfig:
        found = re.fullmatch(r"([\d.]+|\[[\da-fA-F:.]+\]):([1-9]\d{0,4})", self.bind, re.ASCII)
        if not found or int(found[2]) > 65_535:
            raise ValueError(f"bind {self.bind}: ADDRESS:PORT is allowed, such as 127.0.0.1:4840")
        given = [p is not None for p in (self.certificate, self.key, self.trusted)]
        if any(given) and not all(given):
            raise ValueError("certificate, key and trusted belong together, give all or none")
        if not any(given) and not (found[1].startswith("127.") or found[1] == "[::1]"):
            raise ValueError(f"bind {self.bind} is beyond this machine: give certificate, key and trusted")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Address and port."""
        return split_address(self.bind)


Kind = Literal["state", "roll", "reject", "defect", "action", "event", "outage"]


class WebhookConfig(Section):
    """An HTTP server that is told of the line; how a message is signed stands in docs/protocols/webhook.md."""

    kind: Literal["webhook"]
    name: ProcessName = "webhook"
    url: Annotated[str, Field(max_length=500)]
    key_file: Path
    """Its first line signs each message."""
    ca: Path | None = None
    """Certificates of those who may vouch for an https server; null: those that the system trusts."""
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("state", "roll", "reject", "outage")
    """Of what it is told."""
    timeout_ms: float = Field(default=3000.0, ge=100, le=5000)
    rolls: bool = False
    """The document of each finished roll goes there, too."""
    carries_rejects: ClassVar[bool] = False

    @model_validator(mode="after")
    def _address(self) -> WebhookConfig:
        try:
            found = urlsplit(self.url)
            port = found.port
        except ValueError:
            raise ValueError(f"url {self.url!r}: http://HOST/PATH or https://HOST/PATH is allowed") from None
        if (
            found.scheme not in ("http", "https")
            or not found.hostname
            or port == 0
            or not self.url.isascii()
            or " " in self.url
        ):
            raise ValueError(f"url {self.url!r}: http://HOST/PATH or https://HOST/PATH is allowed")
        if found.username is not None:
            raise ValueError("url: no password belongs there, it would stand in the record")
        return self


WiredConfig = ModbusConfig | MqttConfig | FolderConfig | OpcUaConfig | WebhookConfig
"""The kinds of output that are processes of their own, each with a `name` and whether it `carries_rejects`.

Their modules stand in pipeline/outputs."""


OutputConfig = Annotated[PublisherConfig | WiredConfig, Field(discriminator="kind")]
