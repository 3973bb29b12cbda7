"""The `inputs:` section: contacts, one class a kind of device."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from glass_core.settings.section import Section
from pipeline.config.devices import ModbusAddress, ProcessName
from pipeline.messages.domains import EventMm, Label, OffsetMm
from pipeline.messages.states import EventKind


class ContactConfig(Section):
    """A contact and what its closing says of the cloth."""

    name: Annotated[Label, Field(min_length=1, max_length=32)]
    address: int = Field(ge=0, le=65535)
    bit: int | None = Field(default=None, ge=0, le=15)
    """Of a register, 0 the lowest."""
    says: EventKind | Literal["ROLL"]
    """ROLL: the present roll ends, and the next is counted on."""
    length_mm: EventMm | None = None
    """Of the event."""
    y_offset_mm: OffsetMm = 0.0
    """How far up the cloth from the line's zero it looks, as a camera's."""
    closed_is: Literal[0, 1] = 1
    debounce_ms: float = Field(default=50.0, ge=0, le=5000)
    """It has closed when it stayed so for so long; the place is that of the first moment. What lasts twice as long is seen."""

    @model_validator(mode="after")
    def _length(self) -> ContactConfig:
        if (self.length_mm is None) != (self.says == "ROLL"):
            raise ValueError(f"contact {self.name}: an event needs length_mm, a ROLL has none")
        return self


class ModbusInputConfig(ModbusAddress):
    """Contacts of a Modbus TCP device, neighbouring addresses in one request.

    They are read every 20 ms, or five times within the shortest debounce where that is sooner. Where two readings do not fit
    into the debounce the line is DEGRADED. Without debounce they are read as often as with one of 40 ms.
    """

    name: ProcessName = "contacts"
    table: Literal["discrete", "coil", "input", "holding"] = "discrete"
    """Discrete inputs, coils, or bits of input or holding registers."""
    contacts: tuple[ContactConfig, ...] = Field(min_length=1, max_length=32)

    @model_validator(mode="after")
    def _bits(self) -> ModbusInputConfig:
        registers = self.table in ("input", "holding")
        if wrong := [c.name for c in self.contacts if (c.bit is not None) != registers]:
            raise ValueError(f"contact {wrong[0]}: `bit` is for the registers of tables input and holding, and needed there")
        return self


InputConfig = Annotated[ModbusInputConfig, Field(discriminator="kind")]
"""The kinds of input, each with a `name` and `contacts`; their modules stand in pipeline/inputs."""
