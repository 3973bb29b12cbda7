"""Where the cloth is: by the last word of motion, and where there is none, by what the cameras told of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pipeline.decision.account import CameraAccount
from pipeline.decision.silence import LATENESS_NS
from pipeline.decision.terms import DecisionTerms
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState

MOTION_LOST_NS = 1_000_000_000
"""Motion is told fifty times a second; without a word for so long nobody knows where the cloth is."""


class Whereabouts:
    """The place of the line's cloth, and for whom it is known."""

    def __init__(self, terms: DecisionTerms, cameras: Mapping[str, CameraAccount]) -> None:
        self._terms, self._cameras = terms, cameras
        self._now_ns, self._awake_ns = 0, -LATENESS_NS
        self._heard_ns = 0
        self.motion: Motion | None = None
        """The last word of it."""

    def step(self, now_ns: int) -> None:
        """Time goes on. Where it jumped, this process was stopped, and what others said meanwhile is still on its way."""
        if now_ns - self._now_ns > LATENESS_NS:
            self._awake_ns = now_ns
        self._now_ns = now_ns

    def hear(self, motion: Motion) -> None:
        """One more word of motion."""
        self.motion, self._heard_ns = motion, self._now_ns

    @property
    def attentive(self) -> bool:
        """Whether silence means anything: all that others have said must have come by now."""
        return self._now_ns - self._awake_ns >= LATENESS_NS

    @property
    def unknown(self) -> bool:
        """Nobody has said yet where the cloth is, where somebody should."""
        return self._terms.motion and self.motion is None

    @property
    def lost(self) -> bool:
        """Nothing says any more, or for too long, how the cloth runs, where something did or should."""
        return self._tells and self._now_ns - max(self._heard_ns, self._awake_ns) > MOTION_LOST_NS

    @property
    def state(self) -> MotionState | None:
        """How the cloth was said to run; null: nobody has said it."""
        return self.motion.state if self.motion else None

    @property
    def pauses(self) -> bool:
        """The cloth is said not to run on."""
        return self.state not in (None, MotionState.MOVING) and not self.lost

    def measures(self, camera: str) -> bool:
        """Whether the camera's silence is found by the cloth that passes; else it is found by the time."""
        return self._tells and not self.lost and self._terms.frame_mm[camera] is not None

    def position_mm(self, t_ns: int) -> float:
        """Where the cloth is or was; nowhere without motion."""
        return -math.inf if self.motion is None else self.motion.at_mm(t_ns)

    def here_mm(self, t_ns: int) -> float | None:
        """Where the cloth was under the cameras at that time, as far as is known."""
        return max(self._spoken_mm.values(), default=None) if self.motion is None else self.motion.at_mm(t_ns)

    def zero_mm(self, t_ns: int) -> float | None:
        """Where the cloth was at the place from which all offsets count; without motion, by what the cameras told of it."""
        if self.motion is not None:
            return self.motion.at_mm(t_ns)
        return max((mm - self._looks_at_mm(c) for c, mm in self._spoken_mm.items()), default=None)

    def under_cameras_mm(self, t_ns: int) -> tuple[float, float] | None:
        """From where to where the cameras look at it then."""
        zero_mm, looks_mm = self.zero_mm(t_ns), [self._looks_at_mm(camera) for camera in self._cameras]
        return None if zero_mm is None or not looks_mm else (zero_mm + min(looks_mm), zero_mm + max(looks_mm))

    def _looks_at_mm(self, camera: str) -> float:
        return self._terms.y_offset_mm.get(camera, 0.0)

    @property
    def _tells(self) -> bool:
        """Something says how the cloth runs, or should."""
        return self._terms.motion or self.motion is not None

    @property
    def _spoken_mm(self) -> dict[str, float]:
        """How far each camera's cloth was told of."""
        return {c: a.silence.spoken_mm for c, a in self._cameras.items() if a.silence.spoken_mm is not None}
