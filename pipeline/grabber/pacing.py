"""When a camera's next picture is due: at its rate, as the cloth moves on, or as soon as the camera has one (pure)."""

from __future__ import annotations

from pipeline.cameras.protocol import Camera
from pipeline.config.cameras import CameraConfig
from pipeline.grabber.placing import Placing, is_cloth_triggered
from pipeline.messages.states import MotionState

MAX_BEHIND = 8
"""Pictures that a simulated trigger may be behind the cloth before it lets some go, as a real camera would."""


class Pacing:
    """One camera's clock; `placing` knows how far the cloth has come."""

    def __init__(self, config: CameraConfig, placing: Placing, *, self_timed: bool, on_motion: bool) -> None:
        self._rate, self._step_mm, self._placing = config.rate, config.mm_per_px_y, placing
        self._triggered = is_cloth_triggered(config, self_timed, on_motion)
        self.free = not (self_timed or config.rate or (on_motion and config.mm_per_px_y is not None))
        """Neither a clock nor the cloth paces this camera, so it can wait for the line."""
        self._next_ns = 0
        self.asked = 0
        """Pictures of the cloth that were asked for and have not come."""

    def wait_ns(self, now_ns: int) -> int:
        """Time until the next picture of a rate is due; not above 0 where that is not known."""
        return self._next_ns - now_ns

    def due(self, now_ns: int, row: int, rows: int) -> int:
        """How many pictures of `rows` rows are due; of several only the last can still be taken.

        `row` is the next row after the last picture that came. `rows` is the height of that one, 0 before the first.
        """
        row += self.asked * rows
        if self._rate:
            if now_ns < self._next_ns:
                return 0
            self._next_ns = max(self._next_ns + int(1e9 / self._rate), now_ns)
        return self._due_by_cloth(now_ns, row, rows) if self._triggered else 1

    def ask(self, camera: Camera) -> None:
        """Ask for a picture, once for each that is due, whether the one before has come or not."""
        if not camera.self_timed:
            camera.trigger()
            self.asked += 1

    def came(self) -> None:
        """A picture came: of those that were asked for before it none will."""
        self.asked = 0

    def _due_by_cloth(self, now_ns: int, row: int, rows: int) -> int:
        motion, position_mm = self._placing.motion, self._placing.position_mm(now_ns)
        if motion is None or position_mm is None:
            return 0
        self._placing.start(motion)
        if motion.state is not MotionState.MOVING:
            return 0
        origin_mm = self._placing.mm(0)
        if self._step_mm is None or origin_mm is None or not rows:
            return 1
        behind = (position_mm - origin_mm) / self._step_mm - row
        return int(behind // rows) if behind >= MAX_BEHIND * rows else int(behind >= rows)
