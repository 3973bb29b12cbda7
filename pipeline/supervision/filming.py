"""A line's cameras while they are recorded: when their next picture is due, where it lies, and how the cloth moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from glass_core.errors import InputError
from pipeline.cameras import Camera, CameraLost, Shot
from pipeline.cameras.recording import RecordingWriter
from pipeline.config.cameras import CameraConfig
from pipeline.config.motion import RecordedMotion, SimulatedMotion
from pipeline.grabber.pacing import Pacing
from pipeline.grabber.placing import Placing, is_cloth_triggered
from pipeline.grabber.track import Ran
from pipeline.link.memory_link import MemoryQueue
from pipeline.link.protocol import DEFAULT_CAPACITY, portion
from pipeline.messages.domains import MAX_MM_S
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState
from pipeline.motion import MotionStage, make_source


class FilmedCamera:
    """One camera; `on_course`: the cloth runs a course that is told by `hear`, and paces and places its pictures.

    Else pictures come as fast as they can. Rows then tell where the cloth is: of a line-scan camera, and of one that takes
    pictures as the cloth moves on. Those of any other camera lie nowhere.
    """

    def __init__(self, config: CameraConfig, camera: Camera, facts: dict[str, Any], on_course: bool) -> None:
        self.config, self.facts, self.name = config, facts, config.name
        self.counted = config.mm_per_px_y is not None and (config.rows is not None or not camera.self_timed)
        self.rows = self.last_ns = 0
        """Those that went by, lost ones included, and the time of the last."""
        self.frames = self.damaged = self.lost = 0
        self._camera = camera
        self._shots: Iterator[Shot | None] = camera.shots()
        self._placing = Placing(
            config, None, self_timed=camera.self_timed, on_motion=on_course, position_known=on_course or self.counted
        )
        self._triggered = is_cloth_triggered(config, camera.self_timed, on_course)
        self._pacing = Pacing(config, self._placing, self_timed=camera.self_timed, on_motion=True) if on_course else None
        self._last: Shot | None = None
        self._let_go = 0
        self._ended = False
        self._seen_mm: tuple[float, float] | None = None

    @property
    def metres(self) -> float | None:
        """From the first of the cloth that it saw to the last; None where nobody knows."""
        return None if self._seen_mm is None else (self._seen_mm[1] - self._seen_mm[0]) / 1000

    def hear(self, motion: Motion) -> None:
        """How the cloth runs its course; where it begins is row 0 of every camera that it triggers."""
        self._placing.motion = motion
        if self._triggered:
            self._placing.start(motion)

    def done(self, frames: int | None, metres: float | None) -> bool:
        """At the end of the source, or at a limit; pictures that lie nowhere are taken to lie end to end."""
        seen_m = self.rows * (self.config.mm_per_px_y or 0.0) / 1000 if self.metres is None else self.metres
        return self._ended or (frames is not None and self.frames >= frames) or (metres is not None and seen_m >= metres)

    def take(self, now_ns: int, writer: RecordingWriter) -> bool:
        """Ask for a picture if one is due, and write it; False when none came."""
        rows = self._last.rows if self._last else 0
        due = 1 if self._pacing is None else self._pacing.due(now_ns, self.rows, rows)
        if not due and not (self._pacing and self._pacing.asked):
            return False
        if due > 1:
            self._let_go += due - 1
            self._lose(due - 1, (due - 1) * rows)
        if (shot := self._shot(ask=due > 0)) is None:
            return False
        self._lose(*self._placing.lost(self._last, shot, self.rows))
        ran, row = self._placing.add(shot, self.rows), self.rows
        self.rows += shot.rows
        placed = ran is Ran.FORWARD or ran is Ran.BACK
        start_mm, end_mm = self._placing.ends_mm(row, shot.rows) if placed else (None, None)
        # A picture that was let go is lost like one of the camera's own.
        writer.write(self.name, replace(shot, block_id=shot.block_id + self._let_go), start_mm, end_mm)
        for mm in (start_mm, end_mm):
            if mm is not None:
                low_mm, high_mm = self._seen_mm or (mm, mm)
                self._seen_mm = min(low_mm, mm), max(high_mm, mm)
        self._last, self.last_ns = shot, shot.t_mono_ns
        self.frames += 1
        self.damaged += shot.pixels is None
        return True

    def _lose(self, frames: int, rows: int) -> None:
        self.lost += frames
        self.rows += rows

    def _shot(self, ask: bool) -> Shot | None:
        try:
            if ask and self._pacing:
                self._pacing.ask(self._camera)
            elif ask:
                self._camera.trigger()
            shot = next(self._shots)
        except StopIteration:
            self._ended = True
            return None
        except CameraLost as e:
            raise InputError(
                f"camera lost: {e}, camera {self.name}, check cable and power (what was recorded is readable)"
            ) from None
        if shot is not None and self._pacing:
            self._pacing.came()
        return shot


class Cloth(Protocol):
    """What tells a recording how the cloth moves."""

    def moved(self, now_ns: int) -> Iterator[Motion]:
        """What is new since the last call, in order."""
        ...


class PlayedCloth:
    """Cloth that runs a course known beforehand, from its beginning."""

    def __init__(self, course: SimulatedMotion | RecordedMotion) -> None:
        self._said = MemoryQueue(DEFAULT_CAPACITY)
        self._stage = MotionStage(make_source(course, lambda: MemoryQueue(0), None), self._said, [])

    def moved(self, now_ns: int) -> Iterator[Motion]:
        """See Cloth."""
        self._stage.step(now_ns)
        for message, _ in portion(self._said):
            if isinstance(message, Motion):
                yield message


class CountedCloth:
    """Cloth that has come as far as the rows of one camera say."""

    def __init__(self, camera: FilmedCamera, pitch_mm: float, began_ns: int) -> None:
        self._camera, self._pitch_mm = camera, pitch_mm
        self._last: Motion | None = None
        self._began_ns = began_ns

    def moved(self, now_ns: int) -> Iterator[Motion]:
        """See Cloth."""
        if self._last is None:
            self._last = self._at(0.0, 0.0, self._began_ns)
            yield self._last
        position_mm, t_ns = self._camera.rows * self._pitch_mm, self._camera.last_ns
        if position_mm != self._last.position_mm:
            speed_mm_s = (position_mm - self._last.position_mm) * 1e9 / max(t_ns - self._last.t_mono_ns, 1)
            self._last = self._at(position_mm, min(speed_mm_s, MAX_MM_S), t_ns)  # a folder rushes past
            yield self._last

    def _at(self, position_mm: float, speed_mm_s: float, t_ns: int) -> Motion:
        state = MotionState.MOVING if speed_mm_s > 0 else MotionState.STOPPED
        return Motion(position_mm=position_mm, speed_mm_s=speed_mm_s, state=state, source="rows", t_mono_ns=t_ns)
