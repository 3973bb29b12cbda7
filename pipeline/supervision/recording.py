"""Records the cameras of a line without loss: footage that can be learned from, calibrated with and replayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from glass_core.events import Pass, keep_quiet
from pipeline.cameras import Camera, CameraLost, Shot, make_camera
from pipeline.cameras.recording import RecordingWriter
from pipeline.config.cameras import CameraConfig
from pipeline.config.line import LineConfig
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState
from pipeline.supervision.signals import asked_to_stop


class RecordedCamera(BaseModel):
    """Pictures of one camera: written, of these damaged, lost by the camera, and metres where rows tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int
    damaged: int
    lost: int
    metres: float | None


class Recorded(BaseModel):
    """What a recording holds, as `--json` prints it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    out: str
    seconds: float
    cameras: dict[str, RecordedCamera]

    @property
    def frames(self) -> int:
        """Pictures of all cameras together."""
        return sum(camera.frames for camera in self.cameras.values())


def record(
    config: LineConfig,
    out: Path,
    *,
    frames: int | None = None,
    metres: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[Pass], None] = keep_quiet,
) -> Recorded:
    """Record every camera of a line in turn, as fast as they give pictures, into `out`, a folder that is new or empty.

    It ends when each camera has given so many pictures or metres of cloth or is at its end, when `stop` says so, and on
    SIGINT, SIGTERM and SIGHUP. With motion, where the cloth is follows from the rows of the first camera whose scale is
    known. Raises InputError for a limit or folder that cannot be used, a camera that cannot be opened or is lost, and a full
    disk; what was written stays.

    >>> recorded = record(config, folder / "footage", frames=5)
    >>> recorded.cameras["a"].frames, recorded.cameras["a"].metres
    (5, None)
    """
    _check(config, frames, metres)
    with ExitStack() as stack:
        stopped = stack.enter_context(asked_to_stop())
        tracks = []
        for camera_config in config.cameras:
            camera = make_camera(camera_config)
            stack.callback(camera.close)
            tracks.append(Track(camera_config, camera, camera.open()))
        began_ns = time.monotonic_ns()
        writer = stack.enter_context(RecordingWriter(out, config.sha, time.time_ns()))
        for track in tracks:
            writer.add_camera(track.name, {**track.facts, "config": track.config.model_dump(mode="json")})
        clock = next((t for t in tracks if config.motion is not None and t.counted), None)
        if clock:
            writer.write_motion(moving(0.0, 0.0, began_ns))
        taken, total = 0, None if frames is None else frames * len(tracks)
        while not (stopped() or stop()) and (going := [t for t in tracks if not t.done(frames, metres)]):
            for track in going:
                before_mm, before_ns = track.end_mm, track.last_ns or began_ns
                if track.take(writer):
                    taken += 1
                    report(Pass("recording", taken, total))
                    if track is clock and track.end_mm is not None:
                        speed_mm_s = (track.end_mm - (before_mm or 0.0)) * 1e9 / max(track.last_ns - before_ns, 1)
                        writer.write_motion(moving(track.end_mm, speed_mm_s, track.last_ns))
    seconds = round((time.monotonic_ns() - began_ns) / 1e9, 3)
    return Recorded(out=str(out), seconds=seconds, cameras={t.name: t.recorded() for t in tracks})


def _check(config: LineConfig, frames: int | None, metres: float | None) -> None:
    if not config.cameras:
        raise InputError("no cameras, the config, add at least one entry under `cameras:`")
    if (frames is not None and frames < 1) or (metres is not None and metres <= 0):
        raise InputError("nothing to record, --frames or --metres, give a number above 0")
    unscaled = [c.name for c in config.cameras if c.mm_per_px_y is None]
    if metres is not None and unscaled:
        raise InputError(f"--metres without a scale, camera {unscaled[0]}, set mm_per_px_y or use --frames")


def moving(position_mm: float, speed_mm_s: float, t_mono_ns: int) -> Motion:
    """Where the cloth is, counted in rows."""
    state = MotionState.MOVING if speed_mm_s > 0 else MotionState.STOPPED
    return Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source="rows", t_mono_ns=t_mono_ns)


class Track:
    """One camera while it is recorded."""

    def __init__(self, config: CameraConfig, camera: Camera, facts: dict[str, Any]) -> None:
        self.config, self.facts, self.name = config, facts, config.name
        self.last_ns = 0
        self._camera = camera
        self._shots: Iterator[Shot | None] = camera.shots()
        self._last: Shot | None = None
        self._ended = False
        self._rows = self._frames = self._damaged = self._lost = 0

    @property
    def counted(self) -> bool:
        """Rows tell where the cloth is: of a line-scan camera, and of one that takes pictures as the cloth moves on."""
        return self.config.mm_per_px_y is not None and (self.config.rows is not None or not self._camera.self_timed)

    @property
    def end_mm(self) -> float | None:
        """Where the last picture ended."""
        return self._rows * self.config.mm_per_px_y if self.counted and self.config.mm_per_px_y else None

    def done(self, frames: int | None, metres: float | None) -> bool:
        """At the end of the source, or at a limit; pictures of an unsteady camera are taken to lie end to end."""
        seen_m = self._rows * (self.config.mm_per_px_y or 0.0) / 1000
        return self._ended or (frames is not None and self._frames >= frames) or (metres is not None and seen_m >= metres)

    def take(self, writer: RecordingWriter) -> bool:
        """Ask for a picture and write it; False when none came."""
        try:
            if not self._camera.self_timed:
                self._camera.trigger()
            shot = next(self._shots)
        except StopIteration:
            self._ended = True
            return False
        except CameraLost as e:
            raise InputError(
                f"camera lost: {e}, camera {self.name}, check cable and power (what was recorded is readable)"
            ) from None
        if shot is None:
            return False
        lost = shot.block_id - self._last.block_id - 1 if self._last else 0
        self._lost += lost
        self._rows += lost * shot.rows
        start_mm = self.end_mm
        self._rows += shot.rows
        writer.write(self.name, shot, start_mm, self.end_mm)
        self._last, self.last_ns = shot, shot.t_mono_ns
        self._frames += 1
        self._damaged += shot.pixels is None
        return True

    def recorded(self) -> RecordedCamera:
        """What was written of it."""
        metres = None if self.end_mm is None else round(self.end_mm / 1000, 6)
        return RecordedCamera(frames=self._frames, damaged=self._damaged, lost=self._lost, metres=metres)
