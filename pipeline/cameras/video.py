"""A video frame by frame, with those that are damaged or gone: times tell of what is missing between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cameras.decoding import open_track
from pipeline.cameras.protocol import MAX_BELIEVED, MAX_MISSING

MISSING = "missing from the video: "
ENDS_EARLY = "the file announces it and ends before it"


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video: (H, W, 3) RGB uint8, or why there is none; frames that are gone have a number, too."""

    number: int
    pixels: np.ndarray | None
    error: str = ""


class Video:
    """A video file of one track of pictures.

    Each packet is a frame. Where the times of two packets leave room for others, or the file announces more than it has,
    these are frames as well, without pixels. So is, in codecs that build upon frames before, what follows upon damage.
    """

    def __init__(self, path: Path) -> None:
        """Look at its beginning; InputError where it is no video, or one of several tracks."""
        self._path = path
        with open_track(path) as track:
            self._beginning = track.measure()
            step = self._beginning.step
            self.facts: dict[str, Any] = {
                "kind": "video",
                "frames": track.announced(step),
                "counted": track.counted,
                "frames_per_s": track.frames_per_s(step),
            }

    def frames(self) -> Iterator[VideoFrame]:
        """Each frame in order, decoded when it is asked for."""
        step, number, doubtful = self._beginning.widest, 0, True
        placed: tuple[int, int] | None = None  # number and time of the latest frame
        with open_track(self._path) as track:
            for decoded in track.decode(self._beginning):
                if placed is None:
                    missing = track.count_before(decoded.time, step)
                else:
                    missing = placed[0] + track.count_steps(placed[1], decoded.time, step) - number
                for gone in _gone(number, missing, "the times of its neighbours leave room for it"):
                    number = gone.number + 1
                    yield gone
                doubtful = (doubtful or decoded.pixels is None or (missing > 0 and track.torn)) and not decoded.key
                track.torn = track.torn and missing <= 0
                pixels, error = decoded.pixels, decoded.error
                if pixels is not None and doubtful:
                    pixels, error = None, "damaged video: it builds upon a frame that is damaged or missing"
                yield VideoFrame(number, pixels, error)
                if placed is None or decoded.time > placed[1]:  # a time that goes back is not believed
                    placed = number, decoded.time
                number += 1
            if placed is not None:
                yield from _gone(number, track.count_short(placed[1], step), ENDS_EARLY)


def _gone(first: int, count: int, why: str) -> Iterator[VideoFrame]:
    """Those that are missing: each, or where they are many the last of them, whose number leaves room for the others."""
    if count <= MAX_MISSING:
        for number in range(first, first + count):
            yield VideoFrame(number, None, MISSING + why)
        return
    last = first + count - 1
    believed = last < MAX_BELIEVED
    yield VideoFrame(last if believed else first, None, f"{MISSING}{count} frames up to here, or its times are wrong: {why}")
