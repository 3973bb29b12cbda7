"""One camera of a recording in MCAP as a video for people: its pictures in their own time, lossy."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from glass_core.errors import InputError
from glass_core.files.whole_file import refused_writes, whole_file
from pipeline.recording.contents import is_mcap
from pipeline.recording.reading import McapRecording, RecordedPicture

MAX_SIDE_PX = 3840
"""Larger pictures are made smaller: few players show more."""
MAX_STILL_MS = 1000
"""What was left out between two pictures is no longer than this in the video."""
TYPICAL_BITS = "23"
"""libx264's own default of quality."""


def export_video(recording: Path, out: Path, camera: str | None = None) -> int:
    """Write an MP4 of one camera (None: the only one), H.264; how many pictures it has.

    Pictures that were damaged are left out, and others than the first in size are cut or filled up to it. Raises InputError
    for what is no recording in MCAP, one without pictures, and a file that cannot be written.

    >>> export_video(folder / "kept.mcap", folder / "kept.mp4")
    3
    """
    if not is_mcap(recording):
        raise InputError(f"no recording in MCAP, {recording}, name a file that `recording:` has written, or a folder of them")
    if out.suffix != ".mp4":
        raise InputError(f"not an .mp4, {out}, name a file that ends so")
    source = McapRecording(recording)
    timed = _timed(source, source.camera(camera))
    first = next(timed, None)
    if first is None:
        raise InputError(f"no picture to show, {recording}, name another recording or camera")
    with refused_writes(out), whole_file(out) as part:
        try:
            return _encode(part, first[1], timed)
        except av.FFmpegError as e:
            raise OSError(e.errno, e.strerror, str(out)) from None


def _encode(part: Path, first: np.ndarray, rest: Iterator[tuple[int, np.ndarray]]) -> int:
    height, width = (side + side % 2 for side in first.shape[:2])
    count = 0
    with av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", options={"crf": TYPICAL_BITS, "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for ms, pixels in ((0, first), *rest):
            frame = av.VideoFrame.from_ndarray(_fitted(pixels, height, width), format="rgb24")
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode(None))
    return count


def _timed(source: McapRecording, camera: str) -> Iterator[tuple[int, np.ndarray]]:
    """Each picture, small enough, and its time in ms from the first."""
    ms, before = 0, None
    for file in source.files:
        for picture in source.frames(file, camera):
            if picture.pixels is None:
                continue
            ms += 0 if before is None else _pause_ms(before, picture)
            before = picture
            yield ms, _shrunk(picture.pixels)


def _pause_ms(before: RecordedPicture, picture: RecordedPicture) -> int:
    """At least 1: after the machine was started again its clock began anew."""
    return min(max(round((picture.frame.t_mono_ns - before.frame.t_mono_ns) / 1e6), 1), MAX_STILL_MS)


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    colour = pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    share = MAX_SIDE_PX / max(colour.shape)
    height, width = (max(1, round(side * share)) for side in colour.shape[:2])  # a line is a line still
    return colour if share >= 1 else cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)


def _fitted(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    fitted = np.zeros((height, width, 3), np.uint8)
    cut = pixels[:height, :width]
    fitted[: cut.shape[0], : cut.shape[1]] = cut
    return fitted
