"""What is kept of a fault: the last seconds of a line, as lines of JSON in one file."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from glass_core.errors import InputError
from pipeline.link.wire import TYPES
from pipeline.messages.domains import Count, Detail, Int64, Label, Name, Sha
from pipeline.messages.frames import MAX_SHRUNK_BYTES, Frame
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.stages import Progress

MAX_BYTES = 16_000_000
"""Of a whole box; one that a line made is smaller."""
MAX_WORDS = 1000
"""Characters kept of one printed line."""
Bytes = Annotated[int, Field(ge=0, lt=1 << 63)] | None
"""Null: this machine does not tell."""


class Entry(BaseModel):
    """One line of a box; times are of the machine's monotonic clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Opening(Entry):
    """The first line: which line of cloth, when, and under which config."""

    kind: Literal["box"] = "box"
    schema_version: Literal[1] = 1
    line: Label
    supervisor_pid: Count
    """Who began the run."""
    config_sha: Sha
    t_mono_ns: Count
    t_utc_ns: Count
    """The same moment by the clock on the wall."""
    left_out: Count = 0
    """Older entries for which there was no room."""


class Fault(Entry):
    """What went wrong; the first is why the box was made."""

    kind: Literal["fault"] = "fault"
    process: Name
    """Or `line`, where a FAULT latched or the line could not go on."""
    why: Detail
    status: Int64 | None = None
    """With which its process ended; below zero: the signal that killed it."""
    t_mono_ns: Count


class LastWord(Entry):
    """How a process was, by its own last word."""

    kind: Literal["process"] = "process"
    role: Name
    name: Name
    progress: Progress | None
    """Null: it has not spoken."""
    t_mono_ns: Count


class Printed(Entry):
    """A line that a process printed."""

    kind: Literal["printed"] = "printed"
    process: Name
    text: Annotated[str, Field(max_length=MAX_WORDS), BeforeValidator(lambda text: text[:MAX_WORDS])]
    t_mono_ns: Count


class Published(Entry):
    """A message of the line, as on the wire."""

    kind: Literal["message"] = "message"
    type: Annotated[str, Field(max_length=32)]
    body: dict[str, Any]
    t_mono_ns: Count

    @classmethod
    def of(cls, message: Message, t_mono_ns: int) -> Self:
        """A message that was heard then."""
        return cls(type=type(message).__name__, body=message.model_dump(exclude_defaults=True), t_mono_ns=t_mono_ns)

    @property
    def message(self) -> Message:
        """The message itself; ValueError where it is none of ours."""
        if self.type not in TYPES:
            raise ValueError("unknown message type")
        return TYPES[self.type].model_validate(self.body)

    @model_validator(mode="after")
    def _check(self) -> Self:
        assert self.message is not None
        return self


class Picture(Entry):
    """A frame of a camera, made small; its pixels as base64."""

    kind: Literal["picture"] = "picture"
    frame: Frame
    base64: Annotated[str, Field(max_length=4 * (MAX_SHRUNK_BYTES + 2) // 3 + 4)]
    t_mono_ns: Count

    @classmethod
    def of(cls, frame: Frame, pixels: bytes, t_mono_ns: int) -> Self:
        """A small frame that came then."""
        return cls(frame=frame, base64=base64.b64encode(pixels).decode(), t_mono_ns=t_mono_ns)

    @property
    def pixels(self) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8, RGB."""
        return self.frame.pixels(base64.b64decode(self.base64, validate=True))

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            held = len(base64.b64decode(self.base64, validate=True))
        except binascii.Error as e:
            raise ValueError(str(e)) from None
        if not 0 < held == math.prod(self.frame.shape):
            raise ValueError(f"{held} bytes are no picture of shape {self.frame.shape}")
        return self


class Ending(Entry):
    """The last line, by whoever wrote the file: a box without it was cut."""

    kind: Literal["end"] = "end"
    free_disk_bytes: Bytes
    available_memory_bytes: Bytes
    versions: Annotated[dict[Label, Label], Field(max_length=32)]


AnyEntry = Annotated[Opening | Fault | LastWord | Printed | Published | Picture | Ending, Field(discriminator="kind")]
_ENTRY: TypeAdapter[AnyEntry] = TypeAdapter(AnyEntry)


@dataclass(frozen=True)
class BlackBox:
    """A box that was read: whole, and each entry in its domain."""

    opening: Opening
    ending: Ending
    faults: list[Fault] = field(default_factory=list)
    processes: list[LastWord] = field(default_factory=list)
    printed: list[Printed] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)

    @property
    def fault(self) -> Fault:
        """The first: why the box was made."""
        return self.faults[0]

    @property
    def states(self) -> list[LineState]:
        """How the line was, in order."""
        return [message for p in self.published if isinstance(message := p.message, LineState)]

    def utc_ns(self, t_mono_ns: int) -> int:
        """That moment by the clock on the wall."""
        return max(self.opening.t_utc_ns + t_mono_ns - self.opening.t_mono_ns, 0)


def read_box(path: Path) -> BlackBox:
    """The black box in that file; InputError where it is none, or damaged, cut or too large."""
    if not path.is_file():  # a pipe would keep us waiting
        raise InputError(f"black box not found, {path}, give a file of the folder black_boxes beside a ledger")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise InputError(f"black box not readable ({e.strerror}), {path}, check the file") from None
    if len(text) > MAX_BYTES:
        raise _refused(path, f"over {MAX_BYTES} bytes")
    entries = [_entry(path, number, line) for number, line in enumerate(text.splitlines(), 1)]
    if not entries or not isinstance(opening := entries[0], Opening):
        raise _refused(path, "its first line is missing")
    if not isinstance(ending := entries[-1], Ending):
        raise _refused(path, "it was cut: its last line is missing")
    box = BlackBox(opening, ending)
    places: dict[type, list[Any]] = {
        Fault: box.faults, LastWord: box.processes, Printed: box.printed, Published: box.published, Picture: box.pictures,
    }  # fmt: skip
    for entry in entries[1:-1]:
        if type(entry) not in places:
            raise _refused(path, "a second beginning or end")
        places[type(entry)].append(entry)
    if not box.faults:
        raise _refused(path, "it tells of no fault")
    return box


def _entry(path: Path, number: int, line: bytes) -> AnyEntry:
    try:
        return _ENTRY.validate_json(line)
    except ValidationError as e:
        raise _refused(path, f"line {number}: {e.errors()[0]['msg'][:200]}") from None  # it may quote the line


def _refused(path: Path, why: str) -> InputError:
    return InputError(f"no black box, or damaged ({why}), {path}, give a file of the folder black_boxes beside a ledger")
