"""The one decision about each frame."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from pipeline.messages.domains import (
    MAX_HEADER_BYTES,
    MAX_LANES,
    MAX_REGIONS,
    BootId,
    CellPx,
    Count,
    Detail,
    Finite,
    Gain,
    Grey,
    Label,
    Lane,
    Lanes,
    Name,
    Origin,
    Px,
    PxRange,
    RecordMm,
    Seq,
    Sha,
    Shape,
    map_sizes,
)
from pipeline.messages.message import Message
from pipeline.messages.reasons import Reason
from pipeline.messages.states import EventAction, EventKind, Result
from pipeline.messages.values import Span

BARE_BYTES, LANE_BYTES, REGION_BYTES = 585, 9, 190
"""At most so much of a verdict's header is neither text nor one of the lanes or regions; each of these takes so much."""


class Region(BaseModel):
    """A defect's place: connected raw cells above the threshold, in picture px; mm where the scale is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x0_px: Px
    y0_px: Px
    x1_px: Px
    y1_px: Px
    score: float
    lane: Lane | None = None
    """The lane of its highest score."""
    cells: Count | None = None
    x0_mm: RecordMm | None = None
    x1_mm: RecordMm | None = None
    y0_mm: RecordMm | None = None
    y1_mm: RecordMm | None = None
    extent_px: tuple[Finite, Finite, Finite, Finite] | None = None  # of the defect, measured finer than cells: x0, y0, x1, y1


class Verdict(Message):
    """The one decision about a frame, or about a span of cloth of which no frame came (`seq` null)."""

    number: Count
    generation: Count
    camera: Name
    boot_id: BootId
    seq: Seq | None
    result: Result
    reason: Reason | None = None
    detail: Detail = ""
    score: float | None = None
    lanes: Lanes = ()
    regions: Annotated[tuple[Region, ...], Field(max_length=MAX_REGIONS)] = ()
    regions_total: Count = 0
    """Regions found; only the strongest MAX_REGIONS travel."""
    start_mm: RecordMm | None = None
    end_mm: RecordMm | None = None
    rescan: bool = False
    """Cloth that was judged before it ran back: judged and told again, but it adds no metres, defects or rejects."""
    cloth_x_mm: tuple[RecordMm, RecordMm] | None = None
    """The cloth's edges from left to right, where they are looked for."""
    event: EventKind | None = None
    """The seam or other span that the frame lies in; of a DEFECT: that all its regions lie in."""
    action: EventAction | None = None
    lost: Count = 0
    roll_id: Label = ""
    style: Label = ""
    origin: Origin = ""
    tiles: Count = 0
    t_mono_ns: Count
    t_utc_ns: Count
    latency_ms: Finite | None = None
    """From the picture's arrival in the grabber to this verdict."""
    level: Grey | None = None
    texture: Grey | None = None
    lamp_gain: Gain | None = None
    """As announced."""
    weights_sha: Sha = ""
    engine_sha: Sha = ""
    card_sha: Sha = ""
    inspect_x_px: PxRange | None = None
    frame_shape: Shape | None = None
    cells_shape: tuple[Px, Px] | None = None
    cell_px: CellPx = 8
    from_ns: Count | None = None
    to_ns: Count | None = None
    """From when to when a camera said nothing, by the clock of `t_mono_ns`, where its silence has no place on the cloth."""
    raised: Finite = 0.0
    """By so much the card's thresholds were raised for this roll, in log odds."""

    def payload_sizes(self) -> tuple[int, ...]:
        """The cells and the pixels of a frame above the recording floor, or nothing."""
        if self.cells_shape is None or self.frame_shape is None:
            return ()
        return map_sizes(self.cells_shape, self.frame_shape)

    def fitting(self) -> Self:
        """The same with as many of its regions as its header has room for, the strongest."""
        if not self.regions:
            return self
        texts = (self.camera, self.boot_id, self.detail, self.roll_id, self.style, self.origin)
        shas = (self.weights_sha, self.engine_sha, self.card_sha)
        taken = BARE_BYTES + LANE_BYTES * len(self.lanes) + sum(len(text.encode()) for text in (*texts, *shas))
        most = (MAX_HEADER_BYTES - taken) // REGION_BYTES
        return self if len(self.regions) <= most else self.model_copy(update={"regions": self.regions[:most]})

    @property
    def span(self) -> Span:
        """Where it lies."""
        return Span(self.start_mm, self.end_mm)

    @property
    def counts_as_defect(self) -> bool:
        """Whether it asks for a reject and is a defect of the roll: not of cloth seen before, nor of a seam or the like that
        is not graded."""
        return self.result is Result.DEFECT and not self.rescan and not (self.action and self.action.suppresses)


def check_lanes(lanes: int, camera: str) -> None:
    """InputError where a picture has more lanes than a verdict has room for."""
    if lanes > MAX_LANES:
        raise InputError(
            f"{lanes} lanes, camera {camera}, {MAX_LANES} are allowed: train with larger tiles, inspect less of the width"
        )
