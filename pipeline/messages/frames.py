"""Frames on their way from a camera to their scores."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from pipeline.messages.domains import (
    MAX_FRAME_MM,
    BootId,
    BudgetMs,
    CellPx,
    Count,
    Detail,
    Fault,
    FrameMm,
    Gain,
    Grey,
    Int64,
    Label,
    Lanes,
    MmPerPx,
    Name,
    OffsetMm,
    Origin,
    Px,
    PxRange,
    Seq,
    Sha,
    Shape,
    map_sizes,
)
from pipeline.messages.message import Message, Payload
from pipeline.messages.states import FrameStatus
from pipeline.messages.values import Measures, Span

MAX_SHRUNK_BYTES = 1 << 15
"""Of a picture that people look at, and of a small map of its scores."""
NO_TIME = "the worker had no time for it"
"""The `fault` of a frame that the worker gave up."""


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """Every so-many-eth pixel of every so-many-eth row of a picture, MAX_SHRUNK_BYTES at most."""
    step = 1
    while pixels[::step, ::step].size > MAX_SHRUNK_BYTES:
        step += 1
    return pixels[::step, ::step]


class FrameKey(Message):
    """Which frame: the n-th (`seq`, from 0) of this start (`boot_id`) of this camera's grabber.

    Frames that the camera lost have numbers, too: so a gap tells of them, also where the word that told of them is lost.
    """

    camera: Name
    boot_id: BootId
    seq: Seq

    @property
    def key(self) -> tuple[str, str, int]:
        """Hashable identity; results are matched by it, never by order."""
        return self.camera, self.boot_id, self.seq


class Taken(FrameKey):
    """Where a frame lies on the cloth and when it was taken; lengths are null where the scale is not known."""

    t_mono_ns: Count
    t_utc_ns: Count
    start_mm: FrameMm | None = None
    end_mm: FrameMm | None = None
    origin: Origin = ""
    """File or device the picture came from."""
    status: FrameStatus = FrameStatus.OK
    style: Label = ""
    """For which style of cloth it was taken: its model scores it, its card judges it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_span()
        return self

    def _check_span(self) -> None:
        start_mm, end_mm = self.start_mm, self.end_mm
        if start_mm is None or end_mm is None:
            if start_mm is not end_mm:
                raise ValueError("a frame has both of its places, or none")
        elif not 0 <= end_mm - start_mm <= MAX_FRAME_MM:
            raise ValueError(f"a frame from {start_mm:g} mm to {end_mm:g} mm")

    @property
    def span(self) -> Span:
        """Where it lies."""
        return Span(self.start_mm, self.end_mm)


class Frame(Taken):
    """A slab of cloth, the unit of judgement; payload: its pixels, (H, W) Mono8 or (H, W, 3) RGB8."""

    block_id: Int64
    encoder_count: Int64 | None = None
    mm_per_px_x: MmPerPx | None = None
    mm_per_px_y: MmPerPx | None = None
    x_offset_mm: OffsetMm = 0.0
    inspect_x_px: PxRange | None = None
    cloth_x_px: PxRange | None = None
    """Cloth without its selvages: cells that are not wholly in it are left out."""
    budget_ms: BudgetMs | None = None
    """As announced: after so long a score is of no use any more; null: it always is."""
    shape: Shape
    pixel_format: str = Field(pattern="^(Mono8|RGB8)$")

    @model_validator(mode="after")
    def _check(self) -> Self:  # in place of the one above: each costs time on every frame
        self._check_span()
        if self.shape[2:] != ((3,) if self.pixel_format == "RGB8" else ()):
            raise ValueError(f"a picture of shape {self.shape} is not {self.pixel_format}")
        return self

    def payload_sizes(self) -> tuple[int, ...]:
        """One payload: the pixels."""
        return (math.prod(self.shape),)

    def pixels(self, payload: Payload) -> np.ndarray:
        """The picture as a read-only array, (H, W) or (H, W, 3) uint8."""
        return np.frombuffer(payload, np.uint8).reshape(self.shape)

    def shrunk(self, payload: Payload) -> tuple[Self, bytes]:
        """The frame with a small picture; without what is told in pixels."""
        small = shrunk(self.pixels(payload))
        bare = {"mm_per_px_x": None, "mm_per_px_y": None, "inspect_x_px": None, "cloth_x_px": None}
        return self.model_copy(update={"shape": small.shape, **bare}), small.tobytes()


class Announced(Taken):
    """A frame exists and must get a verdict, whatever becomes of its pixels."""

    sent: bool
    """False: the worker's queue was full."""
    budget_ms: BudgetMs | None
    """From the picture's arrival in the grabber (`t_mono_ns`) to its verdict; null: no deadline (replay)."""
    lost: Seq = 0
    """Frames that the camera lost just before this one."""
    error: Detail = ""
    """What damaged it."""
    x_offset_mm: OffsetMm = 0.0
    mm_per_px_x: MmPerPx | None = None
    mm_per_px_y: MmPerPx | None = None
    cloth_x_mm: tuple[FrameMm, FrameMm] | None = None
    """The cloth's edges from left to right; one that the camera does not see is its picture's."""
    level: Grey | None = None
    """Mean grey level of the picture."""
    texture: Grey | None = None
    """Mean step from column to column, in grey levels: it falls when the lens goes out of focus."""
    lamp_gain: Gain | None = None
    """What the picture was multiplied by, where a reference strip tells the lamp's ageing."""

    @classmethod
    def of(cls, frame: Frame, measures: Measures, sent: bool, lost: int = 0, error: str = "") -> Announced:
        """The announcement of a frame: what both messages have a field for is handed on."""
        shared = {name: getattr(frame, name) for name in Frame.model_fields.keys() & cls.model_fields.keys()}
        return cls(**shared, **vars(measures), sent=sent, lost=lost, error=error)


class ScoreMap(FrameKey):
    """What the model saw in one frame; payloads, where stated: the raw cells (rows, cols) float32, then the pixels."""

    generation: Count
    weights_sha: Sha
    engine_sha: Sha
    score: float
    lanes: Lanes
    tiles: Count
    fault: Fault = ""
    """Why this picture could not be scored; empty when it was."""
    inspect_x_px: PxRange | None = None
    frame_shape: Shape
    cells_shape: tuple[Px, Px] | None = None
    """Null: under the recording floor, no payloads travel."""
    cell_px: CellPx = 8

    @property
    def given_up(self) -> bool:
        """Nothing is wrong with the picture: time was."""
        return self.fault == NO_TIME

    def payload_sizes(self) -> tuple[int, ...]:
        """The cells and the pixels, or nothing."""
        if self.cells_shape is None:
            return ()
        return map_sizes(self.cells_shape, self.frame_shape)


class CameraFacts(Message):
    """What a camera was when it was opened; payload: its full feature dump as JSON.

    Nobody acknowledges it: a recorder that is killed may have taken it and not written it. Then the report says so.
    """

    camera: Name
    boot_id: BootId
    t_utc_ns: Count
    size: Count

    def payload_sizes(self) -> tuple[int, ...]:
        """One payload: the JSON text."""
        return (self.size,)
