"""Replays what is on disk as a camera: pictures, an MVTec-layout data set, a recording in PNG or MCAP, a video."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glass_core.errors import InputError
from glass_core.pictures.datasets import images_in
from glass_core.pictures.reading import IMAGE_SUFFIXES, Pages, PictureError, is_picture, read_content, read_image
from pipeline.cameras.protocol import MAX_BELIEVED, Shot
from pipeline.cameras.recording import INDEX, Recording, picture_name
from pipeline.cameras.video import Video
from pipeline.config.cameras import ReplayConfig
from pipeline.config.styles import Scalar
from pipeline.messages.states import FrameStatus
from pipeline.recording.contents import is_mcap
from pipeline.recording.reading import McapRecording, RecordedPicture


@dataclass(frozen=True)
class Picture:
    """One picture of a source: its pixels, or why there are none."""

    origin: str
    block_id: int
    pixels: np.ndarray | None
    rows: int | None = None
    """Height where it is known without pixels."""
    encoder_count: int | None = None
    span_mm: tuple[float, float] | None = None
    error: str = ""


class ReplayCamera:
    """A camera that gives what lies at `config.path`, one picture in memory at a time."""

    self_timed = False
    noisy = False

    def __init__(self, config: ReplayConfig) -> None:
        self._config = config
        self._source: Pictures | Footage | McapFootage | Film | None = None
        self._rows = 0

    def open(self) -> dict[str, Any]:
        """Find the pictures; InputError where there are none, or none that can be read."""
        path = self._config.path
        if (path / INDEX).is_file():
            self._source = Footage(path, self._config.camera)
        elif is_mcap(path):
            self._source = McapFootage(path, self._config.camera)
        elif path.is_dir():
            self._source = Pictures(list_pictures(path))
        elif path.is_file():
            self._source = Pictures([path]) if is_picture(path) else Film(path)
        else:
            raise InputError(f"nothing to replay, {path}, name a folder of images, a data set, a recording or a video")
        error = ""
        for picture in self._source.pictures():
            if picture.pixels is not None:
                height, width = picture.pixels.shape[:2]
                self._rows = height  # so that a damaged first picture has a height too
                return {"source": "replay", "path": str(path), **self._source.facts, "height": height, "width": width}
            error = error or f"{picture.origin}: {picture.error}"
        raise InputError(f"no readable picture, {path}, {error or 'no pictures'}")

    def trigger(self) -> None:
        """Nothing: the next picture is always ready."""

    def adjust(self, features: dict[str, Scalar]) -> None:
        """Nothing: a picture on disk is as it is."""

    def switch(self, on: bool) -> None:
        """Nothing: it has no output."""

    def shots(self) -> Iterator[Shot]:
        """The pictures in order, endlessly with `loop`; a picture that cannot be read is a damaged shot."""
        if self._source is None:
            raise RuntimeError("shots before open")
        first_block = 0
        while True:
            last_block = -1
            for picture in self._source.pictures():
                last_block = picture.block_id
                yield self._shot(picture, first_block)
            if not self._config.loop or last_block < 0:
                return
            first_block += last_block + 1

    def close(self) -> None:
        """Forget the source."""
        self._source = None

    def _shot(self, picture: Picture, first_block: int) -> Shot:
        if picture.pixels is not None:
            self._rows = picture.pixels.shape[0]
        return Shot(
            pixels=picture.pixels,
            rows=picture.rows or self._rows,
            block_id=first_block + picture.block_id,
            t_mono_ns=time.monotonic_ns(),
            t_utc_ns=time.time_ns(),
            encoder_count=picture.encoder_count,
            span_mm=None if self._config.loop else picture.span_mm,  # cloth that comes again is other cloth
            origin=picture.origin,
            error=picture.error,
        )


class Pictures:
    """Image files in order, each page of a TIFF a picture."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        paged = any(file.suffix.lower() in (".tif", ".tiff") for file in files)  # then nobody has counted
        self.facts: dict[str, Any] = {"kind": "pictures", "frames": None if paged else len(files)}

    def pictures(self) -> Iterator[Picture]:
        """Each picture, decoded when it is asked for."""
        number = 0
        for file in self._files:
            for picture in _pages(file, number):
                yield picture
                number += 1


class Footage:
    """One camera of a recording; frames that were lost or damaged then are so again.

    Of a recording that was cut short it gives what is there, and frames of which nothing is left as damaged.
    """

    def __init__(self, path: Path, camera: str | None) -> None:
        self._recording = Recording(path)
        self._camera = self._recording.camera(camera)
        extent = self._recording.extent(self._camera)
        self._frames, self._skipped = extent.frames, extent.skipped
        recorded = self._recording.cameras[self._camera]
        self.facts: dict[str, Any] = {
            "kind": "recording", "camera": self._camera, "frames": extent.frames, "recorded": recorded,
            "shortfall": extent.shortfall,
        }  # fmt: skip

    def pictures(self) -> Iterator[Picture]:
        """Each recorded frame; block ids begin at 0, their gaps stay."""
        first, seq, block_id = None, 0, -1
        for frame in self._recording.frames(self._camera):
            first = frame.block_id if first is None else first
            seq, block_id = frame.seq + 1, frame.block_id - first
            file = self._file(frame.seq)
            pixels, error = _read(file) if frame.status is FrameStatus.OK else (None, frame.error or "recorded damaged")
            yield Picture(
                origin=str(file),
                block_id=block_id,
                pixels=pixels,
                rows=frame.rows,
                encoder_count=frame.encoder_count,
                span_mm=frame.span_mm,
                error=error,
            )
        for beyond, number in enumerate(range(seq, self._frames), 1):  # nobody wrote down where and when
            # one that stands for all is at the place of the last: the next picture is not that one's
            pixels, error = (None, "of the frames up to here nothing is left") if self._skipped else _read(self._file(number))
            place = block_id + self._skipped + beyond
            yield Picture(origin=str(self._file(number)), block_id=place, pixels=pixels, error=error)

    def _file(self, seq: int) -> Path:
        return self._recording.path / self._camera / picture_name(seq)


class McapFootage:
    """One camera of a recording in MCAP: its frames as the line judged them; those that were lost are so again.

    What was left out on purpose is no loss, nor is what lies between two files.
    """

    def __init__(self, path: Path, camera: str | None) -> None:
        self._recording = McapRecording(path)
        self._camera = self._recording.camera(camera)
        self.facts: dict[str, Any] = {
            "kind": "recording", "camera": self._camera, "frames": self._recording.count(self._camera),
            "recorded": self._recording.cameras[self._camera], "shortfall": self._recording.shortfall,
        }  # fmt: skip

    def pictures(self) -> Iterator[Picture]:
        """Each recorded frame; block ids begin at 0, their gaps are the losses."""
        block_id = -1
        for file in self._recording.files:
            before, read = None, 0
            for recorded in self._recording.frames(file, self._camera):
                block_id += _steps(before, recorded)
                before, read = recorded, read + 1
                yield self._picture(recorded, block_id)
            if (gone := (self._recording.announced(file, self._camera) or 0) - read) > 0:
                block_id += gone if gone < MAX_BELIEVED else 1
                yield Picture(str(file), block_id, None, error=f"damaged recording: {gone} frames up to here are gone")

    def _picture(self, recorded: RecordedPicture, block_id: int) -> Picture:
        frame = recorded.frame
        whole = frame.status is FrameStatus.OK
        missing = "its picture is missing" if recorded.pixels is None else ""
        return Picture(
            origin=f"{recorded.file}#{self._camera}/{frame.seq}",
            block_id=block_id,
            pixels=recorded.pixels if whole else None,
            rows=frame.shape[0],
            encoder_count=frame.encoder_count,
            span_mm=None if frame.start_mm is None or frame.end_mm is None else (frame.start_mm, frame.end_mm),
            error=missing if whole else f"recorded as {frame.status.value}",
        )


def _steps(before: RecordedPicture | None, recorded: RecordedPicture) -> int:
    """How far its number lies behind that of the picture before in its file."""
    if before is None or before.frame.boot_id != recorded.frame.boot_id:
        return 1
    steps = recorded.frame.seq - before.frame.seq - recorded.left_out
    return steps if 1 <= steps < MAX_BELIEVED else 1


class Film:
    """A video file."""

    def __init__(self, path: Path) -> None:
        self._path, self._video = path, Video(path)
        self.facts = self._video.facts

    def pictures(self) -> Iterator[Picture]:
        """Each frame, decoded when it is asked for."""
        for frame in self._video.frames():
            origin = f"{self._path}#{frame.number}"
            yield Picture(origin, block_id=frame.number, pixels=frame.pixels, error=frame.error)


def list_pictures(folder: Path) -> list[Path]:
    """Image files in natural order: of an MVTec-layout data set train/good and then test/*, else the folder's own.

    Raises InputError where there are none.
    """
    if (folder / "train" / "good").is_dir() or (folder / "test").is_dir():
        folders = [folder / "train" / "good", *_in_order(p for p in folder.glob("test/*") if p.is_dir())]
    else:
        folders = [folder]
    try:
        files = [file for place in folders if place.is_dir() for file in _in_order(images_in(place))]
    except OSError as e:
        raise InputError(f"folder not readable: {e.strerror}, {folder}, check its permissions") from None
    if not files:
        raise InputError(
            f"no images in the folder, {folder}, name one that holds {', '.join(sorted(IMAGE_SUFFIXES))} files, "
            "an MVTec-layout data set or a recording"
        )
    return files


def _in_order(paths: Iterable[Path]) -> list[Path]:
    """By name, numbers by value: strip2 before strip10."""
    return sorted(paths, key=lambda p: [int(s) if s.isdecimal() else s for s in re.split(r"(\d+)", p.name)])


def _pages(file: Path, first: int) -> Iterator[Picture]:
    """The pictures of a file; without pixels those that cannot be read, and the rest where it ends too early."""
    try:
        pages = Pages(read_content(file), file)
    except PictureError as error:
        yield Picture(str(file), block_id=first, pixels=None, error=error.reason)
        return
    several = len(pages) > 1 or pages.error is not None
    for number in range(len(pages)):
        origin, block_id = f"{file}[{number}]" if several else str(file), first + number
        try:
            yield Picture(origin, block_id, pages.decode(number))
        except PictureError as error:
            yield Picture(origin, block_id, None, error=error.reason)
    if pages.error is not None:
        yield Picture(f"{file}[{len(pages)}]", first + len(pages), None, error=pages.error.reason)


def _read(file: Path) -> tuple[np.ndarray | None, str]:
    try:
        return read_image(file), ""
    except PictureError as e:
        return None, e.reason
