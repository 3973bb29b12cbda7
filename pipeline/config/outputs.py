"""The `outputs:` section: the publisher, and one class a kind of wire to machines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from glass_core.settings.section import Section
from pipeline.config.devices import ModbusAddress, ProcessName


class PublisherConfig(Section):
    """Where verdicts, rejects and states are published."""

    kind: Literal["publisher"]
    bind: str = "ipc://auto"

    @model_validator(mode="after")
    def _loopback(self) -> PublisherConfig:
        host = self.bind.removeprefix("tcp://").rsplit(":", 1)[0]
        if not (self.bind.startswith("ipc://") or (self.bind.startswith("tcp://") and host in ("127.0.0.1", "[::1]"))):
            raise ValueError(f"bind {self.bind}: ipc://PATH, ipc://auto or tcp://127.0.0.1:PORT are allowed")
        return self


class ModbusConfig(ModbusAddress):
    """Remote I/O or a PLC, over Modbus TCP; the register map stands in pipeline/outputs/modbus.py and in the README."""

    name: ProcessName = "plc"
    carries_rejects: bool = True
    """The machine acts on what is written here: while it is mute, no cloth may pass. False: it only shows how the line is."""
    coils_at: int = Field(default=0, ge=0, le=65000)
    registers_at: int | None = Field(default=0, ge=0, le=65000)
    """Null: remote I/O that has only coils."""
    pulse_ms: float = Field(default=100.0, ge=10)
    """How long a mark's coil is on."""


WiredConfig = ModbusConfig
"""The kinds of output that are processes of their own, each with a `name` and whether it `carries_rejects`.

Their modules stand in pipeline/outputs."""


OutputConfig = Annotated[PublisherConfig | WiredConfig, Field(discriminator="kind")]
