"""How many tiles per second the cameras ask of the worker, and how fast the cloth may run at a given number (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glass_core.errors import InputError
from glass_core.pictures.scoring import ScoreDefinition
from pipeline.config.cameras import BaslerConfig, CameraConfig
from pipeline.config.line import LineConfig
from pipeline.messages.verdicts import check_lanes
from pipeline.supervision.reach import top_speed


@dataclass(frozen=True)
class Demand:
    """What one camera asks for."""

    camera: str
    tiles_per_frame: int
    frame_px: tuple[int, int]
    """Height with the rows carried over, and width."""
    frame_mm: float | None
    """New cloth of a frame; null where the scale is not known."""
    frames_per_s: float | None
    """At the line's highest speed, or the camera's rate; null where neither is said."""

    @property
    def tiles_per_s(self) -> float | None:
        """Null where the rate is not known: the camera then goes as fast as the line lets it."""
        return None if self.frames_per_s is None else self.tiles_per_frame * self.frames_per_s

    @property
    def tiles_per_mm(self) -> float | None:
        """For a millimetre of cloth."""
        return self.tiles_per_frame / self.frame_mm if self.frame_mm else None


def demands(config: LineConfig, definition: ScoreDefinition, shapes: Mapping[str, tuple[int, int]]) -> list[Demand]:
    """Of every camera; `shapes` are the pictures' (height, width) px.

    Raises InputError where the inspected range does not fit a picture, or has more lanes than a verdict can tell of.
    """
    return [_demand(camera, config, definition, shapes[camera.name]) for camera in config.cameras]


def _demand(camera: CameraConfig, config: LineConfig, definition: ScoreDefinition, shape: tuple[int, int]) -> Demand:
    new_rows = camera.rows or shape[0]
    rows, width = new_rows + camera.overlap_rows, shape[1]
    layout = definition.tiling.layout(rows, width, camera.inspected_px(width, definition.inspect_x_px))
    check_lanes(layout.lanes, camera.name)
    frame_mm = new_rows * camera.mm_per_px_y if camera.mm_per_px_y else None
    frames_per_s = _frames_per_s(camera, config, shape[0], new_rows, frame_mm)
    return Demand(camera.name, len(layout.tiles), (rows, width), frame_mm, frames_per_s)


def _frames_per_s(
    camera: CameraConfig, config: LineConfig, picture_rows: int, new_rows: int, frame_mm: float | None
) -> float | None:
    """By the camera's own rate of pictures, else by the cloth's highest speed."""
    rate = camera.rate
    if isinstance(camera, BaslerConfig) and camera.trigger is None and rate is None:
        said = camera.features.get("AcquisitionFrameRate") or camera.features.get("AcquisitionFrameRateAbs")
        rate = float(said) if said is not None else None
    if rate is not None:
        return rate * picture_rows / new_rows
    speed_mm_s = top_speed(config)
    return speed_mm_s / frame_mm if speed_mm_s and frame_mm else None


def needed_tiles_per_s(found: Sequence[Demand], budget_ms: float) -> float:
    """Of all cameras together, those whose rate is not known left out; and enough for any one frame within its budget."""
    together = sum(d.tiles_per_s or 0.0 for d in found)
    return max([together, *(d.tiles_per_frame / budget_ms * 1000 for d in found)])


def highest_speed_mm_s(found: Sequence[Demand], tiles_per_s: float) -> float | None:
    """At which the cameras together ask for exactly so many tiles; null where a camera's scale is not known."""
    per_mm = [d.tiles_per_mm for d in found]
    if not per_mm or None in per_mm:
        return None
    return tiles_per_s / sum(value for value in per_mm if value is not None)


def refuse_slow(needed: float, measured: float) -> None:
    """Raises InputError for a worker that cannot keep up."""
    if measured < needed:
        raise InputError(
            f"the line cannot keep up: cameras and budget ask for {needed:.1f} tiles/s, the engine does {measured:.1f}, the "
            "worker, run slower, with smaller frames or fewer cameras, compile a faster engine, or give --slow-ok"
        )
