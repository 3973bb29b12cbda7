"""Reads recordings in MCAP: a file, or a folder of them in the order of their names; each to its last whole chunk."""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, Footer, Metadata, Statistics
from mcap.records import Message as Record
from mcap.stream_reader import StreamReader
from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.messages.frames import Frame
from pipeline.messages.motion import Motion
from pipeline.messages.verdicts import Verdict
from pipeline.recording.contents import SUFFIX, Contents
from pipeline.recording.foxglove import decode_picture
from pipeline.recording.writing import ABOUT, SCHEMA, KeptFrame, frame_topic, message_topic, picture_topic

MAX_CHUNK_BYTES = 512 << 20
"""One picture of the largest, and a chunk beside it."""
END_BYTES = 9 + 20 + 8
"""The footer, and the magic bytes behind it."""
_DAMAGE = (McapError, zstandard.ZstdError, ValueError, struct.error, KeyError, OverflowError, MemoryError)
"""What comes of bytes that are no MCAP."""
Told = TypeVar("Told", Motion, Verdict)
Kind = TypeVar("Kind", KeptFrame, Motion, Verdict)


@dataclass(frozen=True)
class RecordedPicture:
    """A frame of a recording; (H, W) or (H, W, 3) uint8, null where the camera gave it damaged."""

    file: Path
    frame: Frame
    left_out: int
    pixels: np.ndarray | None


class McapRecording(Contents):
    """A recording opened for reading; InputError where it is none of ours."""

    def __init__(self, path: Path) -> None:
        self.files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        cameras: dict[str, dict[str, Any]] = {}
        for file in self.files:
            cameras |= _read_cameras(file)
        super().__init__(path, cameras, path)

    def count(self, camera: str) -> int:
        """How many frames it holds of a camera, by the index of each file; one that was cut is counted."""
        return sum(self._count(file, camera) for file in self.files)

    @property
    def shortfall(self) -> str:
        """Which files were cut, in words; empty where none was."""
        cut = [file.name for file in self.files if _read_counts(file) is None]
        named = ", ".join(cut[:3]) + (f" and {len(cut) - 3} more" if len(cut) > 3 else "")
        return f"without an end, read to the last whole chunk: {named}" if cut else ""

    def frames(self, file: Path, camera: str) -> Iterator[RecordedPicture]:
        """A camera's frames in one of its files, in order, each decoded when it is asked for."""
        return _read_frames(file, camera)

    def announced(self, file: Path, camera: str) -> int | None:
        """How many frames of a camera the index of one of its files counts; null where it was cut and has none."""
        counts = _read_counts(file)
        return None if counts is None else counts.get(frame_topic(camera), 0)

    def motion(self) -> Iterator[Motion]:
        """Where the cloth was, in order; nothing where that was not known."""
        return self._told(Motion)

    def verdicts(self) -> Iterator[Verdict]:
        """What the line said of its frames and of silent spans, in order."""
        return self._told(Verdict)

    def _told(self, kind: type[Told]) -> Iterator[Told]:
        topic = message_topic(kind)
        for file in self.files:
            for _, data in _read_messages(file, {topic}):
                yield _validated(file, kind, data)

    def _count(self, file: Path, camera: str) -> int:
        announced = self.announced(file, camera)
        topic = frame_topic(camera)
        return announced if announced is not None else sum(1 for _ in _read_messages(file, {topic}))


def _read_frames(file: Path, camera: str) -> Iterator[RecordedPicture]:
    picture, frame = picture_topic(camera), frame_topic(camera)
    image = b""
    for topic, data in _read_messages(file, {picture, frame}):
        if topic == picture:
            image = data
            continue
        kept = _validated(file, KeptFrame, data)
        try:
            pixels = decode_picture(image) if image else None
        except ValueError as e:
            raise _damaged(file, str(e)) from None
        if pixels is not None and pixels.shape != kept.frame.shape:
            raise _damaged(file, f"frame {kept.frame.seq} of {camera} is not as large as its picture")
        yield RecordedPicture(file, kept.frame, kept.left_out, pixels)
        image = b""


def _validated(file: Path, kind: type[Kind], data: bytes) -> Kind:
    try:
        return kind.model_validate_json(data)
    except ValidationError as e:
        raise _damaged(file, e.errors(include_url=False)[0]["msg"]) from None


def _damaged(file: Path, why: str) -> InputError:
    return InputError(f"recording damaged: {why}, {file}, record again or leave it out")


def _read_cameras(file: Path) -> dict[str, dict[str, Any]]:
    """What stands at its beginning; none where it was cut before."""
    for record in _read_records(file):
        if isinstance(record, Metadata) and record.name == ABOUT:
            try:
                cameras = json.loads(record.metadata["cameras"]) if record.metadata.get("schema") == SCHEMA else None
            except (ValueError, KeyError):
                cameras = None
            if not isinstance(cameras, dict):
                raise InputError(f"not a schema {SCHEMA} recording, {file}, record again with this version")
            return cameras
        if isinstance(record, Chunk):
            raise InputError(f"no recording of a line, {file}, name one that `recording:` has written")
    return {}


def _read_counts(file: Path) -> dict[str, int] | None:
    """Messages by topic, as the index at its end says; null where it has none."""
    counts: dict[int, int] | None = None
    topics: dict[int, str] = {}
    try:
        with file.open("rb") as stream:
            stream.seek(-END_BYTES, os.SEEK_END)
            footer = next(_unopened(stream))
            if not isinstance(footer, Footer) or footer.summary_start == 0:
                return None
            stream.seek(footer.summary_start)
            for record in _unopened(stream):
                if isinstance(record, Statistics):
                    counts = record.channel_message_counts
                elif isinstance(record, Channel):
                    topics[record.id] = record.topic
        return None if counts is None else {topic: counts.get(number, 0) for number, topic in topics.items()}
    except OSError as e:
        if e.errno != errno.EINVAL:  # it is shorter than an end
            raise _unreadable(file, e) from None
        return None
    except _DAMAGE:
        return None


def _read_messages(file: Path, topics: set[str]) -> Iterator[tuple[str, bytes]]:
    """Topic and bytes of each message of these topics, in the order in which they were written, up to the cut."""
    names: dict[int, str] = {}
    for record in _read_records(file):
        if not isinstance(record, Chunk):
            continue
        if record.compression == "lz4":
            raise InputError(f"recording compressed with lz4, {file}, compress it with zstd")
        try:
            held = BytesIO(_unpacked(record))
        except _DAMAGE:
            return
        for each in _until_damage(_unopened(held)):  # one by one: together small ones take far more memory than their bytes
            if isinstance(each, Channel):
                names[each.id] = each.topic
            elif isinstance(each, Record) and (topic := names.get(each.channel_id)) in topics:
                assert topic is not None
                yield topic, each.data


def _unpacked(chunk: Chunk) -> bytes:
    """The bytes of a chunk; ValueError for one that is cut or damaged, or would take more memory than one of ours."""
    size, data = chunk.uncompressed_size, chunk.data
    if chunk.compression not in ("", "zstd") or size > MAX_CHUNK_BYTES:
        raise ValueError("no chunk")
    if chunk.compression:  # read as a stream: who wrote it so did not know its size at its beginning
        data = zstandard.ZstdDecompressor().stream_reader(data).read(size + 1)
    if len(data) != size or chunk.uncompressed_crc not in (0, zlib.crc32(data)):
        raise ValueError("no chunk")
    return data


def _read_records(file: Path) -> Iterator[object]:
    """The records of a file, chunks unopened; nothing from the first on that is not whole."""
    try:
        with file.open("rb") as stream:
            yield from _until_damage(_unopened(stream, begins=True))
    except OSError as e:
        raise _unreadable(file, e) from None


def _unopened(stream: IO[bytes], begins: bool = False) -> Iterator[object]:
    """The records from here on, chunks unopened; `begins`: a file does, by its magic bytes."""
    return StreamReader(stream, skip_magic=not begins, emit_chunks=True, record_size_limit=MAX_CHUNK_BYTES).records


def _until_damage(records: Iterator[object]) -> Iterator[object]:
    while True:
        try:
            record = next(records)
        except (StopIteration, *_DAMAGE):
            return
        yield record


def _unreadable(file: Path, error: OSError) -> InputError:
    return InputError(f"recording not readable: {error.strerror}, {file}, check it or name another")
