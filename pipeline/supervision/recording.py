"""Records the cameras of a line without loss: footage that can be learned from, calibrated with and replayed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from glass_core.errors import InputError
from glass_core.events import Pass, keep_quiet
from pipeline.cameras import make_camera
from pipeline.cameras.recording import RecordingWriter
from pipeline.config.line import LineConfig
from pipeline.config.motion import RecordedMotion, SimulatedMotion
from pipeline.link.protocol import IDLE_MS
from pipeline.supervision.filming import Cloth, CountedCloth, FilmedCamera, PlayedCloth
from pipeline.supervision.signals import asked_to_stop


class RecordedCamera(BaseModel):
    """Pictures of one camera: written, of these damaged, and lost; metres where it is known how far it saw."""

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
    """Record every camera of a line into `out`, a folder that is new or empty.

    With simulated or recorded motion pictures come when, and lie where, `run` would have them. Else cameras give them as
    fast as they can, and the rows of the first whose scale is known tell how the cloth moves. It ends when each camera has
    given so many pictures or metres of cloth or is at its end, when `stop` says so, and on SIGINT, SIGTERM and SIGHUP.
    Raises InputError for a limit or folder that cannot be used, a camera that cannot be opened or is lost, and a full disk;
    what was written stays.

    >>> recorded = record(config, folder / "footage", frames=5)
    >>> recorded.cameras["a"].frames, recorded.cameras["a"].metres
    (5, None)
    """
    _check(config, frames, metres)
    played = isinstance(config.motion, SimulatedMotion | RecordedMotion)
    with ExitStack() as stack:
        stopped = stack.enter_context(asked_to_stop())
        cameras = []
        for entry in config.cameras:
            camera = make_camera(entry)
            stack.callback(camera.close)
            cameras.append(FilmedCamera(entry, camera, camera.open(), on_course=played))
        began_ns = time.monotonic_ns()
        cloth = _cloth(config, cameras, began_ns)
        writer = stack.enter_context(RecordingWriter(out, config.sha, time.time_ns()))
        for filmed in cameras:
            writer.add_camera(filmed.name, {**filmed.facts, "config": filmed.config.model_dump(mode="json")})
        taken, total = 0, None if frames is None else frames * len(cameras)

        def follow_cloth() -> None:
            for motion in cloth.moved(time.monotonic_ns()) if cloth else ():
                writer.write_motion(motion)
                for filmed in cameras if played else ():
                    filmed.hear(motion)

        while not (stopped() or stop()) and (going := [c for c in cameras if not c.done(frames, metres)]):
            before = taken
            for filmed in going:
                follow_cloth()
                if filmed.take(time.monotonic_ns(), writer):
                    taken += 1
                    report(Pass("recording", taken, total))
            if played and taken == before:
                time.sleep(IDLE_MS / 1000)
        follow_cloth()
    return Recorded(
        out=str(out),
        seconds=round((time.monotonic_ns() - began_ns) / 1e9, 3),
        cameras={c.name: _recorded(c) for c in cameras},
    )


def _check(config: LineConfig, frames: int | None, metres: float | None) -> None:
    if not config.cameras:
        raise InputError("no cameras, the config, add at least one entry under `cameras:`")
    if (frames is not None and frames < 1) or (metres is not None and metres <= 0):
        raise InputError("nothing to record, --frames or --metres, give a number above 0")
    unscaled = [c.name for c in config.cameras if c.mm_per_px_y is None]
    if metres is not None and unscaled:
        raise InputError(f"--metres without a scale, camera {unscaled[0]}, set mm_per_px_y or use --frames")


def _cloth(config: LineConfig, cameras: list[FilmedCamera], began_ns: int) -> Cloth | None:
    """What tells how the cloth moves; None where the config does not ask for it, or no camera can tell."""
    if isinstance(config.motion, SimulatedMotion | RecordedMotion):
        return PlayedCloth(config.motion)
    for camera in cameras if config.motion else ():
        if camera.counted and camera.config.mm_per_px_y:
            return CountedCloth(camera, camera.config.mm_per_px_y, began_ns)
    return None


def _recorded(camera: FilmedCamera) -> RecordedCamera:
    metres = None if camera.metres is None else round(camera.metres, 6)
    return RecordedCamera(frames=camera.frames, damaged=camera.damaged, lost=camera.lost, metres=metres)
