"""From a camera to its actuator: how fast the cloth may run and how tall a slab may be for verdicts in time (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from glass_core.errors import InputError
from pipeline.config.cameras import CameraConfig
from pipeline.config.line import LineConfig
from pipeline.config.motion import EncoderMotion, SimulatedMotion


@dataclass(frozen=True)
class Reach:
    """What one camera's distance to its actuator allows.

    A slab is judged when its last row has passed and the budget is spent; its first row must not have come to the
    actuator by then: slab + speed x budget <= distance.
    """

    camera: str
    actuator_mm: float
    speed_mm_s: float | None
    """The highest that the line is said to run; null: not said."""
    most_mm_s: float
    """With slabs as they are."""
    most_rows: int | None
    """New rows of a slab at `speed_mm_s`; null for an area camera, or where no speed is said."""

    def __str__(self) -> str:
        rows = "" if self.most_rows is None else f"; at {self.speed_mm_s:g} mm/s slabs of up to {self.most_rows} rows"
        return f"camera {self.camera}: in time for {self.actuator_mm:g} mm up to {self.most_mm_s:.0f} mm/s{rows}"


def reaches(config: LineConfig) -> list[Reach]:
    """Of each camera with `actuator_mm`; InputError where the line's highest speed does not leave its budget."""
    budget_s = config.decision.budget_ms / 1000
    found = [_reach(camera, budget_s, top_speed(config)) for camera in config.cameras if camera.actuator_mm is not None]
    for reach in found:
        if reach.most_mm_s < max(reach.speed_mm_s or 0.0, 1e-9):
            rows = "" if reach.most_rows is None else f" or rows to {max(0, reach.most_rows)}"
            raise InputError(
                f"verdicts come too late for an actuator at {reach.actuator_mm:g} mm, camera {reach.camera}, lower the speed "
                f"to {max(0.0, reach.most_mm_s):.0f} mm/s{rows}, or decision.budget_ms"
            )
    return found


def _reach(camera: CameraConfig, budget_s: float, speed_mm_s: float | None) -> Reach:
    step_mm, actuator_mm = camera.mm_per_px_y, camera.actuator_mm
    if step_mm is None or actuator_mm is None:
        raise InputError(f"actuator_mm without a scale, camera {camera.name}, set mm_per_px_y")
    slab_mm = ((camera.rows or 0) + camera.overlap_rows) * step_mm
    most_rows = None
    if camera.rows is not None and speed_mm_s is not None:
        most_rows = int((actuator_mm - speed_mm_s * budget_s) / step_mm) - camera.overlap_rows
    return Reach(camera.name, actuator_mm, speed_mm_s, (actuator_mm - slab_mm) / budget_s, most_rows)


def top_speed(config: LineConfig) -> float | None:
    """The highest speed that the line is said to run, mm/s; null: not said."""
    match config.motion:
        case SimulatedMotion() as m:
            return max(m.speed_mm_s, *(s.speed_mm_s for s in m.segments), 0.0)
        case EncoderMotion() as m:
            return m.max_speed_mm_s
    return None
