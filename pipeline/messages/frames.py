"""Frames on their way from a camera to their scores."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from pipeline.messages.message import Message, Payload
from pipeline.messages.states import FrameStatus
from pipeline.messages.values import Measures, Span


class FrameKey(Message):
    """Which frame: the n-th (`seq`, from 0) that this start (`boot_id`) of this camera's grabber made."""

    camera: str
    boot_id: str
    seq: int = Field(ge=0)

    @property
    def key(self) -> tuple[str, str, int]:
        """Hashable identity; results are matched by it, never by order."""
        return self.camera, self.boot_id, self.seq


class Taken(FrameKey):
    """Where a frame lies on the cloth and when it was taken; lengths are null where the scale is not known."""

    t_mono_ns: int
    t_utc_ns: int
    start_mm: float | None = None
    end_mm: float | None = None
    origin: str = ""
    """File or device the picture came from."""
    status: FrameStatus = FrameStatus.OK
    style: str = ""
    """For which style of cloth it was taken: its model scores it, its card judges it."""

    @property
    def span(self) -> Span:
        """Where it lies."""
        return Span(self.start_mm, self.end_mm)


class Frame(Taken):
    """A slab of cloth, the unit of judgement; payload: its pixels, (H, W) Mono8 or (H, W, 3) RGB8."""

    block_id: int
    encoder_count: int | None = None
    mm_per_px_x: float | None = None
    mm_per_px_y: float | None = None
    x_offset_mm: float = 0.0
    inspect_x_px: tuple[int, int] | None = None
    cloth_x_px: tuple[int, int] | None = None
    """Cloth without its selvages: cells that are not wholly in it are left out."""
    budget_ms: float | None = None
    """As announced: after so long a score is of no use any more; null: it always is."""
    shape: tuple[int, ...]
    pixel_format: str = Field(pattern="^(Mono8|RGB8)$")

    def payload_sizes(self) -> tuple[int, ...]:
        """One payload: the pixels."""
        return (math.prod(self.shape),)

    def pixels(self, payload: Payload) -> np.ndarray:
        """The picture as a read-only array, (H, W) or (H, W, 3) uint8."""
        return np.frombuffer(payload, np.uint8).reshape(self.shape)


class Announced(Taken):
    """A frame exists and must get a verdict, whatever becomes of its pixels."""

    sent: bool
    """False: the worker's queue was full."""
    budget_ms: float | None
    """Time from arrival at decision to the verdict; null: no deadline (replay)."""
    lost: int = Field(default=0, ge=0)
    """Frames that the camera lost just before this one."""
    error: str = ""
    """What damaged it."""
    x_offset_mm: float = 0.0
    mm_per_px_x: float | None = None
    mm_per_px_y: float | None = None
    cloth_x_mm: tuple[float, float] | None = None
    """The cloth's edges from left to right; one that the camera does not see is its picture's."""
    level: float | None = None
    """Mean grey level of the picture."""
    texture: float | None = None
    """Mean step from column to column, in grey levels: it falls when the lens goes out of focus."""
    lamp_gain: float | None = None
    """What the picture was multiplied by, where a reference strip tells the lamp's ageing."""

    @classmethod
    def of(cls, frame: Frame, measures: Measures, sent: bool, lost: int = 0, error: str = "") -> Announced:
        """The announcement of a frame: what both messages have a field for is handed on."""
        shared = {name: getattr(frame, name) for name in Frame.model_fields.keys() & cls.model_fields.keys()}
        return cls(**shared, **vars(measures), sent=sent, lost=lost, error=error)


class ScoreMap(FrameKey):
    """What the model saw in one frame; payloads, where stated: the raw cells (rows, cols) float32, then the pixels."""

    generation: int
    weights_sha: str
    engine_sha: str
    score: float
    lanes: tuple[float, ...]
    tiles: int
    fault: str = ""
    """Why this picture could not be scored; empty when it was."""
    inspect_x_px: tuple[int, int] | None = None
    frame_shape: tuple[int, ...]
    cells_shape: tuple[int, int] | None = None
    """Null: under the recording floor, no payloads travel."""
    cell_px: int = 8

    def payload_sizes(self) -> tuple[int, ...]:
        """The cells and the pixels, or nothing."""
        if self.cells_shape is None:
            return ()
        return 4 * math.prod(self.cells_shape), math.prod(self.frame_shape)


class CameraFacts(Message):
    """What a camera was when it was opened; payload: its full feature dump as JSON."""

    camera: str
    boot_id: str
    t_utc_ns: int
    size: int = Field(ge=0)

    def payload_sizes(self) -> tuple[int, ...]:
        """One payload: the JSON text."""
        return (self.size,)
