"""Footage on disk: what the cameras gave, without loss, with where and when; readable to the last whole frame.

DIR/recording.json              {"schema": 1, "started_utc_ns", "config_sha", "cameras": {NAME: {..., "frames": N}}}
DIR/NAME/000000000.png          one picture a frame; none for a frame that the camera gave damaged
DIR/NAME/frames.jsonl           one `RecordedFrame` a line
DIR/motion.jsonl                one `Motion` a line, where the cloth's motion was known
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from pipeline.cameras.picture import write_png
from pipeline.cameras.protocol import MAX_BELIEVED, MAX_MISSING, Shot
from pipeline.messages.domains import Count, FrameMm, Int64, Px, Seq
from pipeline.messages.motion import Motion
from pipeline.messages.states import FrameStatus
from pipeline.recording.contents import Contents

SCHEMA = 1
INDEX = "recording.json"
AGAIN = "record again or name another"
MAX_INDEX_BYTES = 16 << 20
Line = TypeVar("Line", bound=BaseModel)


class RecordedFrame(BaseModel):
    """One line of frames.jsonl; lengths are null where the scale is not known.

    Its first row begins at `start_mm` and its last ends at `end_mm`: a picture of cloth that ran back has the lower last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: Seq
    block_id: Seq
    t_mono_ns: Count
    t_utc_ns: Count
    start_mm: FrameMm | None = None
    end_mm: FrameMm | None = None
    encoder_count: Int64 | None = None
    rows: Px
    status: FrameStatus = FrameStatus.OK
    error: str = ""

    @property
    def span_mm(self) -> tuple[float, float] | None:
        """From the place of its first row to that of its last, where that is known."""
        return None if self.start_mm is None or self.end_mm is None else (self.start_mm, self.end_mm)


def picture_name(seq: int) -> str:
    """File name of a camera's seq-th frame."""
    return f"{seq:09d}.png"


class _Lines:
    """A file of JSON lines that is never left with half a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)

    def append(self, text: str) -> None:
        whole, line = self._file.tell(), text.encode() + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):  # an unbuffered write on a disk that is nearly full takes a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._file.truncate(whole)
            raise

    def close(self) -> None:
        self._file.close()


class RecordingWriter:
    """Writes a recording; used as a context manager, so that the index is right however it ends.

    A write that fails raises InputError; every frame before it stays readable.
    """

    def __init__(self, out: Path, config_sha: str, started_utc_ns: int) -> None:
        """Begin in `out`, a folder that is new or empty, else InputError."""
        self._out = out
        self._index: dict[str, Any] = {
            "schema": SCHEMA,
            "started_utc_ns": started_utc_ns,
            "config_sha": config_sha,
            "cameras": {},
        }
        self._frames: dict[str, _Lines] = {}
        self._motion: _Lines | None = None
        try:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise InputError(f"folder is not empty, {out}, name a new one")
            self._write_index()
        except OSError as e:
            raise self._refused(e) from None

    def add_camera(self, name: str, facts: dict[str, Any]) -> None:
        """Make room for a camera; `facts` is what its `open` said."""
        try:
            (self._out / name).mkdir()
            self._frames[name] = _Lines(self._out / name / "frames.jsonl")
            self._index["cameras"][name] = {**facts, "frames": 0}
            self._write_index()
        except OSError as e:
            raise self._refused(e) from None

    def write(self, name: str, shot: Shot, start_mm: float | None = None, end_mm: float | None = None) -> None:
        """Add a camera's next shot, damaged ones too."""
        entry = self._index["cameras"][name]
        frame = RecordedFrame(
            seq=entry["frames"],
            block_id=shot.block_id,
            t_mono_ns=shot.t_mono_ns,
            t_utc_ns=shot.t_utc_ns,
            start_mm=start_mm,
            end_mm=end_mm,
            encoder_count=shot.encoder_count,
            rows=shot.rows,
            status=FrameStatus.DAMAGED if shot.pixels is None else FrameStatus.OK,
            error=shot.error,
        )
        try:
            if shot.pixels is not None:
                write_png(self._out / name / picture_name(frame.seq), shot.pixels)
            self._frames[name].append(frame.model_dump_json())
        except OSError as e:
            raise self._refused(e) from None
        entry["frames"] += 1

    def write_motion(self, motion: Motion) -> None:
        """Add where the cloth is."""
        try:
            if self._motion is None:
                self._motion = _Lines(self._out / "motion.jsonl")
            self._motion.append(motion.model_dump_json())
        except OSError as e:
            raise self._refused(e) from None

    def close(self) -> None:
        """Write the counts into the index; a full disk leaves the index as it began, which readers accept."""
        for lines in (*self._frames.values(), *([self._motion] if self._motion else [])):
            lines.close()
        try:
            self._write_index()
        except OSError as e:
            raise self._refused(e) from None

    def _write_index(self) -> None:
        with whole_file(self._out / INDEX) as part:
            part.write_text(json.dumps(self._index, indent=1, default=str), encoding="utf-8")

    def _refused(self, error: OSError) -> InputError:
        return InputError(
            f"recording stopped: {error.strerror}, {self._out}, make room or name another folder (what was written is readable)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.close()
        except InputError:
            if error is None:  # else the first fault is the one to be told
                raise


@dataclass(frozen=True)
class Extent:
    """How much of one camera a recording holds; the three differ where it was cut short."""

    counted: int | None
    """Frames by the index, which is written last; null where the recorder was killed."""
    lines: int
    """Whole lines of frames.jsonl."""
    pictures: int
    """Up to the last picture, those of damaged frames included."""

    @property
    def frames(self) -> int:
        """All that it speaks of; where that is very many beyond its lines, one of them stands for all."""
        return self._most if self._most - self.lines <= MAX_MISSING else self.lines + 1

    @property
    def skipped(self) -> int:
        """How many frames lie before the one that stands for all; 0 where they are too many to be believed."""
        return self._most - self.frames if self._most < MAX_BELIEVED else 0

    @property
    def shortfall(self) -> str:
        """What is missing, in words; empty where nothing is."""
        if self.counted == self.lines >= self.pictures:
            return ""
        told = "the recorder did not end it" if self.counted is None else f"its index counts {self.counted} frames"
        unplaced = f", {self.pictures - self.lines} beyond them without a place" if self.pictures > self.lines else ""
        lost = self._most - max(self.lines, self.pictures)
        return f"{told}, {self.lines} are written down{unplaced}" + (f", {lost} are gone" if lost else "")

    @property
    def _most(self) -> int:
        return max(self.counted or 0, self.lines, self.pictures)


class Recording(Contents):
    """A recording opened for reading; InputError where the folder is none, or another version."""

    def __init__(self, path: Path) -> None:
        try:
            with _opened(path / INDEX) as file:
                text = file.read(MAX_INDEX_BYTES + 1)
            if len(text) > MAX_INDEX_BYTES:
                raise InputError(f"recording's index is too large to be one, {path / INDEX}, {AGAIN}")
            index = from_json(text)
        except (OSError, ValueError) as e:
            raise InputError(f"recording not readable: {e}, {path / INDEX}, {AGAIN}") from None
        if not isinstance(index, dict) or index.get("schema") != SCHEMA or not isinstance(index.get("cameras"), dict):
            raise InputError(f"not a schema {SCHEMA} recording, {path / INDEX}, record again with this version")
        super().__init__(path, index["cameras"], path / INDEX)

    def extent(self, camera: str) -> Extent:
        """How much it holds of a camera. Raises InputError where that cannot be read."""
        counted = self.cameras[camera].get("frames")
        folder = self.path / camera
        try:
            with _opened(folder / "frames.jsonl") as file:
                lines = sum(line.endswith(b"\n") for line in file)
            stems = [p.stem for p in folder.glob("*.png")]
        except OSError as e:
            others = sorted(self.cameras.keys() - {camera})
            advice = f"restore it, or replay another camera alone: --camera {others[0]}" if others else AGAIN
            raise InputError(f"recording not readable: {e.strerror}, {folder}, {advice}") from None
        pictures = max((int(stem) + 1 for stem in stems if stem.isdecimal()), default=0)
        return Extent(counted if isinstance(counted, int) and counted > 0 else None, lines, pictures)

    def frames(self, camera: str) -> Iterator[RecordedFrame]:
        """A camera's frames in order; a last line that was cut off (power, kill) ends them."""
        return _read_lines(self.path / camera / "frames.jsonl", RecordedFrame)

    def motion(self) -> Iterator[Motion]:
        """Where the cloth was, in order; nothing where it was not recorded."""
        return _read_lines(self.path / "motion.jsonl", Motion) if (self.path / "motion.jsonl").exists() else iter(())


def _opened(path: Path) -> BinaryIO:
    if path.is_fifo() or path.is_char_device():  # they have no end
        raise OSError(errno.EINVAL, "not a file", str(path))
    return path.open("rb")


def _read_lines(path: Path, kind: type[Line]) -> Iterator[Line]:
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield kind.model_validate_json(line)
                except ValidationError as e:
                    fault = e.errors(include_url=False)[0]
                    raise InputError(f"recording damaged: {fault['msg']}, {path} line {number}, record again") from None
    except OSError as e:
        raise InputError(f"recording not readable: {e.strerror}, {path}, {AGAIN}") from None
