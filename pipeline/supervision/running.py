"""Runs a line until it is asked to stop, its sources end, or a limit is reached."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from calibration.threshold import load_card
from glass_core.errors import AbsentError, InputError
from glass_core.events import Note, keep_quiet
from glass_core.network.checkpoint import read_info
from pipeline.cameras import ask_camera
from pipeline.config.line import LineConfig
from pipeline.link.protocol import portion
from pipeline.messages.line import Totals
from pipeline.report.roll import Summary, summarise
from pipeline.supervision.bundles import make_for_here
from pipeline.supervision.demand import Demand, demands, needed_tiles_per_s
from pipeline.supervision.notifying import ServiceManager
from pipeline.supervision.reach import reaches
from pipeline.supervision.signals import asked_to_stop, handled
from pipeline.supervision.supervisor import LineFailed, Supervisor
from pipeline.supervision.watching import Unwatched, Watched, Watcher


@dataclass(frozen=True)
class FeaturesIgnored:
    """Styles set features of a camera that has nothing to set."""

    camera: str

    def __str__(self) -> str:
        return f"camera {self.camera} has nothing to set: the styles' features for it are ignored"


@dataclass(frozen=True)
class Limits:
    """When a run ends by itself, whichever comes first; null: never."""

    frames: int | None = None
    """Verdicts."""
    metres: float | None = None
    """Of cloth that has verdicts, inspected or not."""
    seconds: float | None = None
    """Since the line was up."""

    def check(self, config: LineConfig) -> None:
        """InputError for limits that can never be reached."""
        if self.metres is None:
            return
        if not 0 < self.metres < math.inf:
            raise InputError(f"no length to run for, --metres {self.metres:g}, give a number above 0")
        if unscaled := [camera.name for camera in config.cameras if camera.mm_per_px_y is None]:
            raise InputError(f"--metres without a scale, camera {unscaled[0]}, set mm_per_px_y or use --frames")

    def reached(self, totals: Totals) -> bool:
        """Whether so much has been judged."""
        if self.frames is not None and totals.verdicts >= self.frames:
            return True
        seen_m = (totals.inspected_m or 0.0) + (totals.not_inspected_m or 0.0)
        return self.metres is not None and seen_m >= self.metres


def run(
    config: LineConfig,
    observe: bool = False,
    frames: int | None = None,
    seconds: float | None = None,
    slow_ok: bool = False,
    watcher: Watcher | None = None,
    report: Callable[[object], None] = keep_quiet,
    metres: float | None = None,
) -> Summary:
    """Run a line: one process for each part, until it is stopped, its sources end, or after so many frames, seconds or metres.

    `observe`: outputs are inhibited and scores kept for calibration. Unless `slow_ok`, a line whose cameras ask for more
    than its engine is measured to do does not start. A camera that is not there holds up nobody: the line is not RUNNING
    before it has come, and it is looked for again and again. `watcher` sees what it does, from a thread of its own, so
    that it may take its time; `report` hears what is to be said before.
    Under systemd it tells it is up, pings its watchdog and says that it stops.
    SIGINT, SIGTERM and SIGHUP stop it; SIGUSR1 sets rejects aside (BYPASS), SIGUSR2 takes that back.
    Raises InputError and MissingError for what cannot start, LineFailed when the line cannot go on.

    >>> summary = run(config, seconds=60)
    >>> summary.frames, summary.not_inspected
    (12, 0)
    """
    limits = Limits(frames, metres, seconds)
    limits.check(config)
    make_for_here(config, report)
    check(config, observe, report)
    asked = asked_of(config, report)
    needed = 0.0 if slow_ok else needed_tiles_per_s(asked, config.decision.budget_ms)
    with Watched(watcher or Unwatched()) as watched:
        line = Supervisor(config, observe, needed, watched.say)
        bypass = {signal.SIGUSR1: lambda: line.bypass(True), signal.SIGUSR2: lambda: line.bypass(False)}
        with asked_to_stop() as stopped, handled(bypass), line:
            manager = ServiceManager()
            try:
                _watch(line, watched, manager, stopped, limits)
            finally:
                manager.stops()
                watched.leave()
    if "recorder" not in line.progress:  # what the ledger holds is then of an earlier run
        raise LineFailed("stopped before the line was up, nothing was recorded", 0)
    return summarise(config.ledger.path)


def check(config: LineConfig, observe: bool, report: Callable[[object], None] = keep_quiet) -> None:
    """Refuse at once what would fail later: no cameras, no model, no card."""
    if not config.cameras:
        raise InputError("no cameras, the config, add at least one entry under `cameras:`")
    if config.model is None:
        raise InputError("no model, the config, add `model: RUN`")
    for model in config.models:
        if not model.is_dir():
            raise InputError(f"no such model, {model}, give the folder that `glassline train` wrote")
        if not observe:
            load_card(model)
    for camera in config.cameras:
        if config.own_features[camera.name] is None and any(s.features.get(camera.name) for s in config.styles.values()):
            report(FeaturesIgnored(camera.name))
    for reach in reaches(config):
        report(reach)


def asked_of(config: LineConfig, report: Callable[[object], None] | None = None) -> list[Demand]:
    """What the line's cameras ask of its worker, in the style that asks for the most tiles; each camera is opened for a
    moment, since it alone knows its pictures' size.

    One that is not there is told to `report` and left out; AbsentError where there is no `report`.
    """
    sizes: dict[str, tuple[int, int]] = {}
    for entry in config.cameras:
        try:
            facts = ask_camera(entry)
        except AbsentError as absent:
            if report is None:
                raise
            report(Note(f"{absent}; the line starts without it, and whether the engine is fast enough for it is not known"))
        else:
            sizes[entry.name] = (facts["height"], facts["width"])
    return most_asked_of(config, sizes)


def most_asked_of(config: LineConfig, sizes: Mapping[str, tuple[int, int]]) -> list[Demand]:
    """The same of those cameras whose pictures' (height, width) px are known."""
    there = config.model_copy(update={"cameras": [c for c in config.cameras if c.name in sizes]})
    by_model = [demands(there, read_info(model).score, sizes) for model in config.models]
    return [max(same_camera, key=lambda d: d.tiles_per_frame) for same_camera in zip(*by_model, strict=True)]


def _watch(
    line: Supervisor,
    watched: Watched,
    manager: ServiceManager,
    stopped: Callable[[], bool],
    limits: Limits,
) -> None:
    up_s: float | None = None
    while not stopped() and not line.ended:
        line.step()
        manager.see(line.up, line.at_work, time.monotonic_ns())
        for message, _ in portion(line.events):
            watched.hear(message)
            if isinstance(message, Totals) and limits.reached(message):
                return
        watched.progress(line.progress)
        watched.check()
        if up_s is None and line.up:
            up_s = time.monotonic()
        if limits.seconds is not None and up_s is not None and time.monotonic() - up_s >= limits.seconds:
            return
