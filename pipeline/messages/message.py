"""What every message is: a typed header, and the sizes of the payloads behind it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Payload = bytes | memoryview


class Message(BaseModel):
    """A header; subclasses name their payloads by `payload_sizes`."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def payload_sizes(self) -> tuple[int, ...]:
        """Bytes of each payload that travels behind this header."""
        return ()
