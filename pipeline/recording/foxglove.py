"""Pictures in the form that Foxglove shows: its message RawImage in Protocol Buffers, without loss and without base64.

Fields: https://docs.foxglove.dev/docs/sdk/schemas/raw-image. Bytes: https://protobuf.dev/programming-guides/encoding/. An MCAP
file carries the descriptor of its messages: https://mcap.dev/spec/registry#protobuf.
"""

from __future__ import annotations

import struct

import numpy as np

from pipeline.messages.domains import MAX_SIDE_PX
from pipeline.messages.message import Payload

NAME = "foxglove.RawImage"
_TIMESTAMP, _WIDTH, _HEIGHT, _ENCODING, _STEP, _DATA, _FRAME_ID = range(1, 8)
_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_INT32, _INT64, _UINT32, _STRING, _MESSAGE, _BYTES = 5, 3, 7, 9, 11, 12
"""Types of fields in descriptor.proto; the third is fixed32."""
_CHANNELS = {b"mono8": 1, b"rgb8": 3}


def encode_picture(shape: tuple[int, ...], pixels: Payload, camera: str, t_utc_ns: int) -> bytes:
    """A RawImage of (H, W) or RGB (H, W, 3) uint8."""
    seconds, ns = divmod(t_utc_ns, 1_000_000_000)
    step = shape[1] * (3 if len(shape) == 3 else 1)
    return b"".join(
        (
            _sized(_TIMESTAMP, _number(1, seconds) + _number(2, ns)),
            *(_tag(n, _FIXED32) + struct.pack("<I", value) for n, value in ((_WIDTH, shape[1]), (_HEIGHT, shape[0]))),
            _sized(_ENCODING, b"rgb8" if len(shape) == 3 else b"mono8"),
            _tag(_STEP, _FIXED32) + struct.pack("<I", step),
            _sized(_FRAME_ID, camera.encode()),
            _tag(_DATA, _SIZED) + _varint(memoryview(pixels).nbytes),
            pixels,
        )
    )


def decode_picture(message: bytes) -> np.ndarray:
    """The pixels of a RawImage, (H, W) or (H, W, 3) uint8; ValueError where it is none of ours."""
    fields = _read_fields(memoryview(message))
    width, height, data = (fields.get(n) for n in (_WIDTH, _HEIGHT, _DATA))
    channels = _CHANNELS.get(bytes(fields.get(_ENCODING, b"")))
    if width is None or height is None or data is None or not channels or not width.nbytes == height.nbytes == 4:
        raise ValueError("no mono8 or rgb8 picture")
    (w,), (h,) = struct.unpack("<I", width), struct.unpack("<I", height)
    if not (0 < w <= MAX_SIDE_PX and 0 < h <= MAX_SIDE_PX) or data.nbytes != w * h * channels:
        raise ValueError(f"{data.nbytes} bytes are no picture of {w} x {h}")
    return np.frombuffer(data, np.uint8).reshape((h, w, 3) if channels == 3 else (h, w)).copy()


def descriptor() -> bytes:
    """The FileDescriptorSet of RawImage, with the time stamp that it names."""
    times = [("seconds", 1, _INT64), ("nanos", 2, _INT32)]
    stamp = _file("google/protobuf/timestamp.proto", "google.protobuf", "Timestamp", times)
    fields = [
        ("timestamp", _TIMESTAMP, _MESSAGE), ("frame_id", _FRAME_ID, _STRING), ("width", _WIDTH, _UINT32),
        ("height", _HEIGHT, _UINT32), ("encoding", _ENCODING, _STRING), ("step", _STEP, _UINT32), ("data", _DATA, _BYTES),
    ]  # fmt: skip
    image = _file("foxglove/RawImage.proto", "foxglove", "RawImage", fields, "google/protobuf/timestamp.proto")
    return _sized(1, stamp) + _sized(1, image)


def _file(path: str, package: str, message: str, fields: list[tuple[str, int, int]], needs: str = "") -> bytes:
    """A FileDescriptorProto of one message; a field that is a message is a time stamp."""
    described = b"".join(
        _sized(
            2,
            _sized(1, name.encode())
            + _number(3, number)
            + _number(4, 1)  # optional
            + _number(5, kind)
            + (_sized(6, b".google.protobuf.Timestamp") if kind == _MESSAGE else b""),
        )
        for name, number, kind in fields
    )
    return (
        _sized(1, path.encode())
        + _sized(2, package.encode())
        + (_sized(3, needs.encode()) if needs else b"")
        + _sized(4, _sized(1, message.encode()) + described)
        + _sized(12, b"proto3")
    )


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _number(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _varint(value)


def _sized(number: int, data: bytes) -> bytes:
    return _tag(number, _SIZED) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _read_fields(data: memoryview) -> dict[int, memoryview]:
    """The last of each field that is not a varint; ValueError where the bytes are no message."""
    fields: dict[int, memoryview] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind in (_VARINT, _SIZED):
            value, at = _read_varint(data, at)
            size = value if kind == _SIZED else 0
        if size is None or at + size > len(data):
            raise ValueError("no Protocol Buffers message")
        if kind != _VARINT:
            fields[number] = data[at : at + size]
        at += size
    return fields


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        value |= (data[at + place] & 0x7F) << 7 * place
        if data[at + place] < 0x80:
            return value, at + place + 1
    raise ValueError("no Protocol Buffers message")
