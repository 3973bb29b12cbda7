"""`glassline run`: the live line, one process for each part, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from calibration.threshold import load_card
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from pipeline.cameras import make_camera
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.dashboard.screen import Screen
from pipeline.messages.line import Totals
from pipeline.report.roll import Summary, summarise
from pipeline.supervision.demand import Demand, demands, needed_tiles_per_s
from pipeline.supervision.reach import reaches
from pipeline.supervision.supervisor import LineFailed, Supervisor
from tools.verbs.compile import made_for_here
from tools.verbs.replay import show


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("run", help="run a line")
    p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
    p.add_argument("--observe", action="store_true", help="outputs inhibited, scores kept for calibration")
    limit = p.add_mutually_exclusive_group()
    limit.add_argument("--frames", type=int, help="stop after so many verdicts")
    limit.add_argument("--seconds", type=float, help="stop so long after the line is ready")
    p.add_argument("--slow-ok", action="store_true", help="run even where the engine is measured too slow for the cameras")
    p.add_argument("--json", action="store_true", help="print one JSON object at the end")
    p.set_defaults(func=run)


def check(config: LineConfig, observe: bool) -> None:
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
            print(f"camera {camera.name} has nothing to set: the styles' features for it are ignored", file=sys.stderr)
    for reach in reaches(config):
        print(reach, file=sys.stderr)


def asked_of(config: LineConfig) -> list[Demand]:
    """What the line's cameras ask of its worker, in the style that asks for the most tiles; each camera is opened for a
    moment, since it alone knows its pictures' size."""
    sizes: dict[str, tuple[int, int]] = {}
    for entry in config.cameras:
        camera = make_camera(entry)
        try:
            facts = camera.open()
        finally:
            camera.close()
        sizes[entry.name] = (facts["height"], facts["width"])
    by_model = [demands(config, read_info(model).score, sizes) for model in config.models]
    return [max(same_camera, key=lambda d: d.tiles_per_frame) for same_camera in zip(*by_model, strict=True)]


def operate(
    config: LineConfig, observe: bool, frames: int | None = None, seconds: float | None = None, slow_ok: bool = False
) -> Summary:
    """Run the line until it is asked to stop, its sources end, or a limit is reached; LineFailed when it cannot go on.

    Unless `slow_ok`, a line whose cameras ask for more than its engine is measured to do does not start.
    SIGINT, SIGTERM and SIGHUP stop it; SIGUSR1 sets rejects aside (BYPASS), SIGUSR2 takes that back.
    """
    check(config, observe)
    needed = 0.0 if slow_ok else needed_tiles_per_s(asked_of(config), config.decision.budget_ms)
    console = Console(stderr=True)
    stopped: list[int] = []
    stops = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup the line outlives its terminal
        stops.append(signal.SIGHUP)
    handlers = {s: signal.signal(s, lambda signum, frame: stopped.append(signum)) for s in stops}
    screen = Screen(config)
    try:
        with Supervisor(config, observe, needed) as line:
            handlers[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, lambda signum, frame: line.bypass(True))
            handlers[signal.SIGUSR2] = signal.signal(signal.SIGUSR2, lambda signum, frame: line.bypass(False))
            live = Live(screen, console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
            if live:
                live.start()
            try:
                _watch(line, screen, console, stopped, frames, seconds)
            finally:
                if live:
                    live.stop()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if "recorder" not in line.progress:  # what the ledger holds is then of an earlier run
        raise LineFailed("stopped before the line was up, nothing was recorded", 0)
    return summarise(config.ledger.path)


def _watch(
    line: Supervisor, screen: Screen, console: Console, stopped: list[int], frames: int | None, seconds: float | None
) -> None:
    ready_s: float | None = None
    while not stopped and not line.ended:
        line.step()
        while received := line.events.receive():
            message = received[0]
            screen.update(message)
            if not console.is_terminal and (text := screen.log_line(message)):
                print(text, file=sys.stderr, flush=True)
            if frames is not None and isinstance(message, Totals) and message.verdicts >= frames:
                return
        screen.progress(line.progress)
        if ready_s is None and line.ready:
            ready_s = time.monotonic()
        if seconds is not None and ready_s is not None and time.monotonic() - ready_s >= seconds:
            return


def run(args: argparse.Namespace) -> int:
    """Exit 0 after Ctrl-C, a limit, or the end of the sources; LineFailed when the line cannot go on."""
    config = load_config(args.config)
    made_for_here(config, Console(stderr=True))
    show(operate(config, args.observe, args.frames, args.seconds, args.slow_ok), args.json)
    return 0
