"""What a camera is: a generator of shots; the grabber owns time, positions, memory and retries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from glass_core.errors import ToldError
from pipeline.config.styles import Scalar

MAX_MISSING = 10_000
"""So many frames in a row that are missing in a video or recording are told one by one, more as one."""
MAX_BELIEVED = 10_000_000
"""No frame has a higher number than this because of others that are missing: a source that announces more is not believed."""


class CameraLost(ToldError):
    """The camera failed, stalled or vanished: the grabber says so, exits, and a fresh one is started."""


@dataclass(frozen=True)
class Shot:
    """One buffer as the camera gave it: any number of rows; `pixels` is null when the buffer is damaged.

    `pixels` is (H, W) or (H, W, 3) RGB uint8 and belongs to the receiver (never reused by the camera).
    `block_id` is the camera's own counter; a gap means that frames were lost. `rows` is the height, also of a
    damaged buffer. `t_mono_ns` is taken when the buffer arrived. `span_mm` is where its first row began and its last ended
    on the cloth, as far as a recording tells it.
    """

    pixels: np.ndarray | None
    rows: int
    block_id: int
    t_mono_ns: int
    t_utc_ns: int
    encoder_count: int | None = None
    span_mm: tuple[float, float] | None = None
    origin: str = ""
    error: str = ""


class Camera(Protocol):
    """A source of shots; used as open -> shots -> close, by one grabber, in one thread."""

    self_timed: bool
    """True: pictures come when the device takes them. False: `trigger` asks for the next one."""
    noisy: bool
    """True: a sensor's noise makes each picture unlike all others, so one that comes twice, bit by bit, is a fault."""

    def open(self) -> dict[str, Any]:
        """Make ready; the full dump of what the device is and how it is set (JSON types).

        InputError where it cannot, AbsentError where it is not there now.
        """
        ...

    def trigger(self) -> None:
        """Take the next picture now (the simulated encoder's pulse); does nothing for a self-timed camera."""
        ...

    def adjust(self, features: dict[str, Scalar]) -> int | None:
        """Set features while it runs and read them back: how many shots to come may have been begun before; None: it has
        none to set. CameraLost where that fails; InputError for a value that it does not take or keep.
        """
        ...

    def switch(self, on: bool) -> None:
        """Set the output of its own that its configuration names; off since `open`. CameraLost where that fails."""
        ...

    def shots(self) -> Iterator[Shot | None]:
        """Shots in order; None when nothing came within a short finite wait; ends when the source is at its end.

        Raises CameraLost when the device fails, stalls or is removed.
        """
        ...

    def close(self) -> None:
        """Release the device; may be called twice."""
        ...


def dump_facts(facts: dict[str, Any]) -> bytes:
    """Facts of `open` as they travel to the record: UTF-8 JSON."""
    return json.dumps(facts, ensure_ascii=False, default=str).encode()
