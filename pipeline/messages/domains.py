"""The domains of what messages say: which values a field may have, held wherever a message is made or read.

What follows from a message may lie further than all it says: a frame ahead of the cloth's position, a region in its frame, a
roll beyond both. So records reach twice as far as frames, and frames twice as far as motion: what is made of a message that is
in its domain is in its own.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator, Field

MAX_MM = 1e12
"""Ten years at 3 m/s; doubles still tell tenths of a micrometre apart there."""
MAX_MM_S = 1e5
M_PER_MIN = 0.06
"""Of a mm/s: speeds are in m/min wherever a person reads them."""
MAX_OFFSET_MM = 1e6
"""From the line's zero to a camera, a contact or an actuator: a kilometre."""
MIN_MM_PER_PX, MAX_MM_PER_PX = 1e-4, 10.0
MAX_SIDE_PX = 65_536
MAX_FRAME_MM = MAX_SIDE_PX * MAX_MM_PER_PX
MAX_EVENT_MM = 1e6
MAX_ROLL_MM = 1e9
MAX_BUDGET_MS = 3_600_000.0
MAX_HEADER_BYTES = 4096
MAX_CAMERAS = 16
MAX_LANES = 160
"""Of one picture: with more, a verdict might have no room in its header for even one region (messages/verdicts)."""
MAX_NAME, MAX_LABEL, MAX_FAULT, MAX_DETAIL = 32, 64, 200, 500
"""Characters."""
MAX_ORIGIN = 300
"""Bytes of a long path that still fit a header."""
MAX_REGIONS = 12
"""Of one verdict; the strongest travel."""
NAME = rf"^[A-Za-z0-9_-]{{1,{MAX_NAME}}}$"
"""Letters of ASCII alone: names stand in headers, in file names and on sockets."""


def _cut(most: int) -> BeforeValidator:
    """Text that is too long loses its end: whoever tells of a fault must not fail by the length of it."""
    return BeforeValidator(lambda text: text[:most] if isinstance(text, str) else text)


Int64 = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
"""What msgpack, SQLite and a PLC's program can hold."""
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
"""Also times in ns."""
Seq = Annotated[int, Field(ge=0, lt=1 << 53)]
"""Counts of frames, which are added up and subtracted."""
Px = Annotated[int, Field(ge=0, le=MAX_SIDE_PX)]
PxRange = tuple[Px, Px]
CellPx = Annotated[int, Field(ge=1, le=1024)]
Lane = Annotated[int, Field(ge=0, lt=MAX_LANES)]

Finite = Annotated[float, Field(allow_inf_nan=False)]
LineMm = Annotated[float, Field(ge=-MAX_MM, le=MAX_MM)]
"""Where the cloth is."""
FrameMm = Annotated[float, Field(ge=-2 * MAX_MM, le=2 * MAX_MM)]
RecordMm = Annotated[float, Field(ge=-4 * MAX_MM, le=4 * MAX_MM)]
OffsetMm = Annotated[float, Field(ge=-MAX_OFFSET_MM, le=MAX_OFFSET_MM)]
MmPerPx = Annotated[float, Field(ge=MIN_MM_PER_PX, le=MAX_MM_PER_PX)]
SpeedMmS = Annotated[float, Field(ge=-MAX_MM_S, le=MAX_MM_S)]
EventMm = Annotated[float, Field(gt=0, le=MAX_EVENT_MM)]
BudgetMs = Annotated[float, Field(ge=0, le=MAX_BUDGET_MS)]
Grey = Annotated[float, Field(ge=0, le=255)]
Gain = Annotated[float, Field(ge=0, le=256)]
Lanes = Annotated[tuple[float, ...], Field(max_length=MAX_LANES)]
"""Scores, which need not be finite: decision says so of them."""

Name = Annotated[str, Field(pattern=NAME)]
"""Of a camera or process; it becomes part of file names."""
NoName = Annotated[str, Field(pattern=rf"^[A-Za-z0-9_-]{{0,{MAX_NAME}}}$")]
"""A name, or none."""
BootId = Annotated[str, Field(pattern=rf"^[A-Za-z0-9._-]{{0,{MAX_NAME}}}$")]
Ticket = Annotated[str, Field(pattern=r"^[a-z0-9]{0,32}$")]
"""By which an answer finds whoever waits for it."""
Label = Annotated[str, Field(max_length=MAX_LABEL, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What people name: rolls, styles, contacts."""
Sha = Annotated[str, Field(max_length=64)]
Origin = Annotated[str, Field(max_length=MAX_ORIGIN)]
Fault = Annotated[str, Field(max_length=MAX_FAULT), _cut(MAX_FAULT)]
"""A sentence beside many figures; a longer one is cut."""
Detail = Annotated[str, Field(max_length=MAX_DETAIL), _cut(MAX_DETAIL)]
"""Sentences; what is longer is cut."""
Shape = Annotated[tuple[Px, ...], Field(min_length=2, max_length=3)]
"""(rows, columns) or (rows, columns, 3); a damaged picture has no columns."""


def map_sizes(cells_shape: tuple[int, int], frame_shape: tuple[int, ...]) -> tuple[int, int]:
    """Bytes of a score map, float32, and of its picture; ValueError where there is nothing of one, or no picture is so."""
    sizes = 4 * math.prod(cells_shape), math.prod(frame_shape)
    if 0 in sizes or frame_shape[2:] not in ((), (3,)):
        raise ValueError(f"no score map of {cells_shape} cells for a picture of {frame_shape}")
    return sizes
