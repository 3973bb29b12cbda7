"""Writes one MCAP file, chunk by chunk: https://mcap.dev/spec. Whatever ends it, it is readable to its last whole chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType, Writer
from pydantic import BaseModel, ConfigDict

from pipeline.messages.domains import Seq
from pipeline.messages.frames import Frame
from pipeline.messages.message import Message, Payload
from pipeline.messages.motion import Motion
from pipeline.recording.foxglove import NAME, descriptor, encode_picture

SCHEMA = "1"
ABOUT = "glassline.recording"
"""The record at the beginning of a file that says of which line and cameras it is."""
CHUNK_BYTES = 4 << 20
OBJECT = b'{"type": "object"}'
"""Foxglove shows what is in an object; it does not understand every schema of a message."""


class KeptFrame(BaseModel):
    """What is written of a frame behind its picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frame: Frame
    left_out: Seq = 0
    """So many frames between the one before in this file and this one were left out on purpose: they were not lost."""


def picture_topic(camera: str) -> str:
    """Where the pictures of a camera stand; none where the camera gave it damaged."""
    return f"/{camera}/image"


def frame_topic(camera: str) -> str:
    """Where its `KeptFrame` stand, each right behind its picture."""
    return f"/{camera}/frame"


def message_topic(kind: type[Message]) -> str:
    """Where messages of that kind stand."""
    return f"/{kind.__name__}"


class _WholeRecords:
    """A file that does not end in half a record while its writer lives: the library hands over whole ones."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)

    def write(self, data: bytes) -> int:
        whole, left = self._file.tell(), memoryview(data)
        try:
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(whole)
            raise
        return len(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._file.close()


class McapWriter:
    """One file of a line's messages. Every method raises OSError where the disk refuses; then `abandon` it.

    Chunks are not compressed: that takes most of a core at 100 MB/s and saves a tenth of pictures of cloth.
    """

    def __init__(self, path: Path, line: str, config_sha: str, cameras: dict[str, dict[str, Any]]) -> None:
        """Begin `path`, a new file; `cameras`: their configurations by name."""
        self.path = path
        self._file = _WholeRecords(path)
        self._writer = Writer(self._file, CHUNK_BYTES, CompressionType.NONE)  # type: ignore[arg-type]
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._unflushed = False
        self.frames_at_risk = 0
        """In the chunk that is not yet on the disk."""
        self._begun = 1 << 62
        about = {name: {"config": config} for name, config in cameras.items()}
        try:
            self._writer.start(library="glassline")
            self._writer.add_metadata(
                ABOUT, {"schema": SCHEMA, "line": line, "config_sha": config_sha, "cameras": json.dumps(about)}
            )
        except OSError:
            self.abandon()
            raise
        self._begun = self._file.tell()

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._file.tell()

    def write_frame(self, frame: Frame, pixels: Payload, left_out: int, t_utc_ns: int) -> None:
        """Add a frame: its picture, unless the camera gave it damaged, and then what is known of it."""
        self.frames_at_risk += 1
        if memoryview(pixels).nbytes:
            image = encode_picture(frame.shape, pixels, frame.camera, frame.t_utc_ns)
            self._add(picture_topic(frame.camera), NAME, "protobuf", image, t_utc_ns)
        kept = KeptFrame(frame=frame, left_out=left_out).model_dump_json(exclude_defaults=True)
        self._add(frame_topic(frame.camera), "glassline.Frame", "json", kept.encode(), t_utc_ns)

    def write(self, message: Message, t_utc_ns: int) -> None:
        """Add any other message."""
        kind = type(message)
        text = message.model_dump_json(exclude_defaults=kind is not Motion)
        self._add(message_topic(kind), f"glassline.{kind.__name__}", "json", text.encode(), t_utc_ns)

    def flush(self) -> None:
        """End the chunk, so that it is readable whatever happens."""
        if self._unflushed:
            self._writer.flush()
            self._unflushed, self.frames_at_risk = False, 0

    def close(self) -> None:
        """End the file with its index."""
        self._writer.finish()
        self._file.close()

    def abandon(self) -> None:
        """Leave the file without its index; one that holds nothing goes."""
        holds = self._file.tell() > self._begun
        self._file.close()
        if not holds:
            self.path.unlink(missing_ok=True)

    def _add(self, topic: str, schema: str, encoding: str, data: bytes, t_utc_ns: int) -> None:
        if topic not in self._channels:
            if schema not in self._schemas:
                described = ("protobuf", descriptor()) if encoding == "protobuf" else ("jsonschema", OBJECT)
                self._schemas[schema] = self._writer.register_schema(schema, *described)
            self._channels[topic] = self._writer.register_channel(topic, encoding, self._schemas[schema])
        before = self._file.tell()
        self._writer.add_message(self._channels[topic], t_utc_ns, data, t_utc_ns)
        self._unflushed = True
        if self._file.tell() != before:  # the chunk was full; behind a picture its frame is still to come
            self.frames_at_risk = int(schema == NAME)
