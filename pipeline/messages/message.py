"""What every message is: a typed header, the sizes of the payloads behind it, and whom it names as its sender."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from pipeline.messages.domains import NAME
from pipeline.messages.values import Value

Payload = bytes | memoryview
V = TypeVar("V", bound=Value)


class Refused(Exception):
    """What a message says cannot be, or its sender is nobody here: why, and what is allowed."""


class Message(BaseModel):
    """A header; subclasses name their payloads by `payload_sizes`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload that travels behind this header."""
        return ()

    @property
    def sender(self) -> str:
        """The camera or process that it names; one that names none: its kind."""
        return sender(vars(self)) or type(self).__name__

    def part(self, kind: type[V]) -> V:
        """One of the values that it carries; AttributeError where it carries none of that kind."""
        return kind(**{field.name: getattr(self, field.name) for field in fields(kind)})


def sender(fields: object) -> str:
    """The camera or process that a header's fields name, if it is a name; else empty. Nothing proves that it is true."""
    if not isinstance(fields, Mapping):
        return ""
    names = (fields.get(key) for key in ("camera", "name", "source", "left"))
    return next((name for name in names if isinstance(name, str) and re.fullmatch(NAME, name)), "")
