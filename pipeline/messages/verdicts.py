"""The one decision about each frame."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import EventAction, EventKind, Result
from pipeline.messages.values import Span


class Region(BaseModel):
    """A defect's place: connected raw cells above the threshold, in picture px; mm where the scale is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x0_px: int
    y0_px: int
    x1_px: int
    y1_px: int
    score: float
    lane: int | None = None
    """The lane of its highest score."""
    cells: int | None = None
    x0_mm: float | None = None
    x1_mm: float | None = None
    y0_mm: float | None = None
    y1_mm: float | None = None
    extent_px: tuple[float, float, float, float] | None = None  # of the defect, measured finer than cells: x0, y0, x1, y1


class Verdict(Message):
    """The one decision about a frame, or about a span of cloth of which no frame came (`seq` null)."""

    MAX_REGIONS: ClassVar[int] = 12

    number: int
    generation: int
    camera: str
    boot_id: str
    seq: int | None
    result: Result
    reason: Reason | None = None
    detail: str = ""
    score: float | None = None
    lanes: tuple[float, ...] = ()
    regions: tuple[Region, ...] = ()
    regions_total: int = 0
    """Regions found; only the strongest MAX_REGIONS travel."""
    start_mm: float | None = None
    end_mm: float | None = None
    rescan: bool = False
    """Cloth that was judged before it ran back: judged and told again, but it adds no metres, defects or rejects."""
    cloth_x_mm: tuple[float, float] | None = None
    """The cloth's edges from left to right, where they are looked for."""
    event: EventKind | None = None
    """The seam or other span that the frame lies in; of a DEFECT: that all its regions lie in."""
    action: EventAction | None = None
    lost: int = 0
    roll_id: str = ""
    style: str = ""
    origin: str = ""
    tiles: int = 0
    t_mono_ns: int
    t_utc_ns: int
    latency_ms: float | None = None
    """From the picture's arrival in the grabber to this verdict."""
    level: float | None = None
    texture: float | None = None
    lamp_gain: float | None = None
    """As announced."""
    weights_sha: str = ""
    engine_sha: str = ""
    card_sha: str = ""
    inspect_x_px: tuple[int, int] | None = None
    frame_shape: tuple[int, ...] | None = None
    cells_shape: tuple[int, int] | None = None
    cell_px: int = 8

    def payload_sizes(self) -> tuple[int, ...]:
        """The cells and the pixels of a frame above the recording floor, or nothing."""
        if self.cells_shape is None or self.frame_shape is None:
            return ()
        return 4 * math.prod(self.cells_shape), math.prod(self.frame_shape)

    @property
    def span(self) -> Span:
        """Where it lies."""
        return Span(self.start_mm, self.end_mm)

    @property
    def counts_as_defect(self) -> bool:
        """Whether it asks for a reject and is a defect of the roll: not of cloth seen before, nor of a seam or the like that
        is not graded."""
        return self.result is Result.DEFECT and not self.rescan and self.action in (None, EventAction.GRADE)
