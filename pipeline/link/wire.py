"""Messages as bytes: one typed header of at most 4 KiB, then the raw payloads, the image last.

No pickle: a header is a msgpack map validated by its type; a payload is bytes whose length the header states.
"""

from __future__ import annotations

from typing import Any

import msgpack
from pydantic import ValidationError

from pipeline.messages import actions, cloth, commands, frames, line, motion, passages, record, stages, verdicts
from pipeline.messages.domains import MAX_HEADER_BYTES
from pipeline.messages.message import Message, Payload, sender

VERSION = 1
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024

TYPES: dict[str, type[Message]] = {
    t.__name__: t
    for t in (
        frames.Frame,
        frames.Announced,
        frames.ScoreMap,
        frames.CameraFacts,
        motion.Motion,
        motion.EncoderCount,
        verdicts.Verdict,
        actions.Reject,
        actions.Action,
        line.LineState,
        line.Heartbeat,
        line.Totals,
        stages.Status,
        stages.Progress,
        passages.Passages,
        record.Committed,
        commands.Bypass,
        commands.Acknowledge,
        commands.Reset,
        commands.RollStart,
        commands.MarkEvent,
        commands.Answer,
        cloth.Contact,
        cloth.Alignment,
        cloth.Roll,
        cloth.SpanEvent,
    )
}


class DecodeError(Exception):
    """A received message is not one of ours: wrong version, type, field, size or encoding; `sender` is whom it names."""

    def __init__(self, why: str, sender: str = "") -> None:
        super().__init__(why)
        self.sender = sender or "unknown"


def encode(message: Message, payloads: tuple[Payload, ...] = ()) -> list[Payload]:
    """The parts to send: header, then payloads; ValueError where sizes do not fit the header."""
    body = message.model_dump(exclude_defaults=True)
    header = msgpack.packb({"v": VERSION, "t": type(message).__name__, **body})
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"{type(message).__name__} header of {len(header)} bytes, {MAX_HEADER_BYTES} allowed")
    sizes = tuple(memoryview(p).nbytes for p in payloads)
    if sizes != message.payload_sizes():
        raise ValueError(f"{type(message).__name__} payloads of {sizes} bytes, header says {message.payload_sizes()}")
    return [header, *payloads]


def decode(parts: list[Any]) -> tuple[Message, tuple[memoryview, ...]]:
    """The message and its payloads; DecodeError for anything that is not exactly one of ours."""
    if not parts or memoryview(parts[0]).nbytes > MAX_HEADER_BYTES:
        raise DecodeError("header missing or over 4096 bytes")
    body: Any = None
    try:
        body = msgpack.unpackb(parts[0], use_list=False, strict_map_key=True)
        if not isinstance(body, dict) or body.pop("v", None) != VERSION:
            raise DecodeError(f"not a version {VERSION} message")
        kind = TYPES.get(body.pop("t", None))
        if kind is None:
            raise DecodeError("unknown message type")
        message = kind.model_validate(body)
        sizes = message.payload_sizes()
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException, ValidationError) as e:
        raise DecodeError((str(e) or type(e).__name__).splitlines()[0], sender(body)) from None
    payloads = tuple(memoryview(p) for p in parts[1:])
    if tuple(p.nbytes for p in payloads) != sizes or sum(sizes) > MAX_PAYLOAD_BYTES or any(s < 0 for s in sizes):
        raise DecodeError(f"{kind.__name__} payloads do not have the {sizes} bytes its header states", sender(body))
    return message, payloads
