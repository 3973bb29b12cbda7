"""One part of a machine as it was found."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["ok", "absent", "advice"]


class Part(BaseModel):
    """One part of the machine: there, absent, or there with advice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Status
    text: str
    facts: dict[str, Any] = {}
