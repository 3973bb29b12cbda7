"""What every message is: a typed header, and the sizes of the payloads behind it."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from pipeline.messages.values import Value

Payload = bytes | memoryview
V = TypeVar("V", bound=Value)


class Message(BaseModel):
    """A header; subclasses name their payloads by `payload_sizes`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload that travels behind this header."""
        return ()

    def part(self, kind: type[V]) -> V:
        """One of the values that it carries; AttributeError where it carries none of that kind."""
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})
