"""When a roll that was told to end is over: every camera has judged cloth beyond its end, or a minute has gone by."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.messages.verdicts import Verdict

MAX_WAIT_NS = 60_000_000_000
"""A roll that ended so long ago is over, though the cloth came to rest and its last frame was never taken."""
SETTLE_NS = 2_000_000_000
"""After the first verdict beyond its end: a frame before it may be decided later, and the record takes a moment."""


class Passing:
    """How far each camera's cloth has its verdict."""

    def __init__(self, cameras: Iterable[str]) -> None:
        self._cameras = tuple(cameras)
        self.by_camera_mm: dict[str, float] = {}

    def see(self, verdict: Verdict) -> None:
        """Cloth that ran back and is judged again passes nothing."""
        if verdict.end_mm is not None and not verdict.rescan:
            before_mm = self.by_camera_mm.get(verdict.camera, verdict.end_mm)
            self.by_camera_mm[verdict.camera] = max(verdict.end_mm, before_mm)

    def has_passed(self, end_mm: float) -> bool:
        """Whether every camera has."""
        return all(self.by_camera_mm.get(camera, -float("inf")) >= end_mm for camera in self._cameras)
