"""Fields that travel together, as values: each message that carries one has its fields under the same names."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.messages.states import EventAction, EventKind


@dataclass(frozen=True)
class Value:
    """Fields that several messages have: `message.part(kind)` takes them out, `**vars(value)` puts them in."""


@dataclass(frozen=True)
class Span(Value):
    """From where to where along the cloth, in mm of the line's position; both null where the scale is not known."""

    start_mm: float | None = None
    end_mm: float | None = None


@dataclass(frozen=True)
class Lapse(Value):
    """From when to when, by the machine's monotonic clock; both null where cloth is told of by its place alone."""

    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(frozen=True)
class Source(Value):
    """Which picture of which camera, and when it was taken; `seq` null: a span of cloth of which no picture came."""

    camera: str
    t_utc_ns: int
    boot_id: str = ""
    seq: int | None = None
    origin: str = ""


@dataclass(frozen=True)
class Place(Value):
    """On which cloth a span lies: roll, style, the event it is part of, and whether it was judged before."""

    roll_id: str
    style: str
    event: EventKind | None = None
    action: EventAction | None = None
    rescan: bool = False


@dataclass(frozen=True)
class Measures(Value):
    """What the grabber measured in a picture: the cloth's edges, its grey level and texture, the lamp's gain."""

    cloth_x_mm: tuple[float, float] | None = None
    level: float | None = None
    texture: float | None = None
    lamp_gain: float | None = None


@dataclass(frozen=True)
class Grounds(Value):
    """What a verdict is given on: the scores, the model that gave them, and the shape of what was scored."""

    score: float | None = None
    lanes: tuple[float, ...] = ()
    tiles: int = 0
    weights_sha: str = ""
    engine_sha: str = ""
    inspect_x_px: tuple[int, int] | None = None
    frame_shape: tuple[int, ...] | None = None
    cells_shape: tuple[int, int] | None = None
    cell_px: int = 8
