"""`glassline record`: lossless footage of a line's cameras, readable by train, calibrate and replay."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from glass_core.errors import InputError
from pipeline.cameras import Camera, CameraLost, Shot, make_camera
from pipeline.cameras.recording import RecordingWriter
from pipeline.config.cameras import CameraConfig
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.messages.motion import Motion
from pipeline.messages.states import MotionState


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("record", help="record the cameras of a line, without loss")
    p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    limit = p.add_mutually_exclusive_group()
    limit.add_argument("--metres", type=float, metavar="N", help="stop each camera after so much cloth")
    limit.add_argument("--frames", type=int, metavar="N", help="stop each camera after so many pictures")
    p.add_argument("--json", action="store_true", help="print one JSON object at the end")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Record until a limit, the sources' end or Ctrl-C; 0."""
    config = load_config(args.config)
    stopped: list[int] = []
    handlers = {s: signal.signal(s, lambda signum, frame: stopped.append(signum)) for s in (signal.SIGINT, signal.SIGTERM)}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} pictures"), TimeElapsedColumn())
    try:
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            tasks = {c.name: progress.add_task(c.name, total=args.frames) for c in config.cameras}
            result = record(
                config,
                args.out,
                frames=args.frames,
                metres=args.metres,
                stop=lambda: bool(stopped),
                taken=lambda name: progress.advance(tasks[name]),
            )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if args.json:
        print(json.dumps(result))
    else:
        total = sum(c["frames"] for c in result["cameras"].values())
        print(f"{total} pictures of {len(result['cameras'])} camera(s) in {args.out}", file=sys.stderr)
    return 0


def record(
    config: LineConfig,
    out: Path,
    frames: int | None,
    metres: float | None,
    stop: Callable[[], bool],
    taken: Callable[[str], None],
) -> dict[str, Any]:
    """Record every camera in turn, as fast as they give pictures; what was written, as the --json object.

    With motion, where the cloth is follows from the rows of the first camera whose scale is known. InputError: a limit or
    a folder that cannot be used, a camera that cannot be opened or is lost, a full disk; what was written stays.
    """
    if not config.cameras:
        raise InputError("no cameras, the config, add at least one entry under `cameras:`")
    if (frames is not None and frames < 1) or (metres is not None and metres <= 0):
        raise InputError("nothing to record, --frames or --metres, give a number above 0")
    unscaled = [c.name for c in config.cameras if c.mm_per_px_y is None]
    if metres is not None and unscaled:
        raise InputError(f"--metres without a scale, camera {unscaled[0]}, set mm_per_px_y or use --frames")
    with ExitStack() as stack:
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
        while not stop() and (going := [t for t in tracks if not t.done(frames, metres)]):
            for track in going:
                before_mm, before_ns = track.end_mm, track.last_ns or began_ns
                if track.take(writer):
                    taken(track.name)
                    if track is clock and track.end_mm is not None:
                        speed_mm_s = (track.end_mm - (before_mm or 0.0)) * 1e9 / max(track.last_ns - before_ns, 1)
                        writer.write_motion(moving(track.end_mm, speed_mm_s, track.last_ns))
    return {
        "schema": 1,
        "out": str(out),
        "seconds": round((time.monotonic_ns() - began_ns) / 1e9, 3),
        "cameras": {t.name: t.counts() for t in tracks},
    }


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

    def counts(self) -> dict[str, Any]:
        """Pictures written, of these damaged, lost by the camera, and metres where rows tell."""
        metres = None if self.end_mm is None else round(self.end_mm / 1000, 6)
        return {"frames": self._frames, "damaged": self._damaged, "lost": self._lost, "metres": metres}
