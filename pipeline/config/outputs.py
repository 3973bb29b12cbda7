"""The `outputs:` section: the publisher, and one class a kind of wire to machines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from glass_core.settings.section import Section
from pipeline.config.devices import ModbusAddress, ProcessName


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
