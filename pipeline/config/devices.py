"""What devices of outputs and inputs have in common: a name for their process, and where they answer or listen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from glass_core.settings.section import Section
from pipeline.messages.domains import Name

ProcessName = Name


def split_address(text: str) -> tuple[str, int]:
    """Host and port of ADDRESS:PORT that was checked, an address of IPv6 in brackets."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class ModbusAddress(Section):
    """Where a Modbus TCP device answers."""

    kind: Literal["modbus"]
    host: str
    port: int = Field(default=502, ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=255)
    timeout_ms: float = Field(default=200.0, ge=10, le=5000)
    """A device that has not answered a request by then does not answer."""
