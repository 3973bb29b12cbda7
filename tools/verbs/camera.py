"""`glassline camera`: which cameras are there, and what one of them sees: picture, line profile, focus, saturation."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import cv2
import numpy as np
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

import pipeline
from glass_core.errors import InputError
from pipeline.cameras.look import Look, find_camera
from pipeline.cameras.picture import write_png
from pipeline.config.cameras import BaslerConfig, CameraConfig

REFRESH_S = 0.1
PROFILE_ROWS = 8
LEVELS = " ▁▂▃▄▅▆▇█"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    verb = subparsers.add_parser("camera", help="list the cameras, or look through one")
    actions = verb.add_subparsers(dest="action", required=True, metavar="list|view")
    listing = actions.add_parser("list", help="Basler cameras on this machine")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    listing.set_defaults(func=run)
    view = actions.add_parser("view", help="live picture, line profile, focus and saturation; Ctrl-C ends it")
    view.add_argument("name", metavar="NAME", help="a camera's name in CONFIG, or a serial")
    view.add_argument("--config", type=Path, help="YAML of a line")
    view.add_argument("--png", type=Path, help="write one picture with its profile, and end")
    view.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """List, or view until Ctrl-C; 0."""
    if args.action == "list":
        return show_list(args.json)
    config = find_camera(args.name, args.config)
    console = Console(stderr=True)
    if args.png is not None or not console.is_terminal:
        return write_view(config, args.png or Path(f"{config.name}.png"))
    with suppress(KeyboardInterrupt):
        watch(config, console)
    return 0


def show_list(as_json: bool) -> int:
    """Every Basler camera pylon finds."""
    from pipeline.cameras.basler import list_devices

    devices = list_devices()
    if as_json:
        print(json.dumps({"schema": 1, "cameras": devices}))
        return 0
    for d in devices:
        print(f"{d['serial']:<16} {d['model']:<24} {d['class']:<14} {'emulated' if d['emulated'] else ''}".rstrip())
    if not devices:
        print("no Basler camera found; PYLON_CAMEMU=2 in the environment makes two emulated ones", file=sys.stderr)
    return 0


class Screen:
    """A look drawn in characters: two pixels a character, the profile as bars beneath."""

    def __init__(self, look: Look, title: str) -> None:
        self._look = look
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = options.max_width
        height, width = self._look.pixels.shape[:2]
        rows = max(1, min(console.size.height - PROFILE_ROWS - 3, round(columns * height / width / 2)))
        small = cv2.resize(self._look.pixels, (columns, 2 * rows), interpolation=cv2.INTER_AREA)
        small = small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)  # (2 rows, columns, 3)
        for text in (self._title, str(self._look)):
            yield Segment(text[:columns])
            yield Segment.line()
        for upper, lower in zip(small[::2], small[1::2], strict=True):
            for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
                yield Segment("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
            yield Segment.line()
        for text in bars(self._look.profile, columns):
            yield Segment(text)
            yield Segment.line()


def bars(profile: np.ndarray, columns: int) -> list[str]:
    """The profile, 0 to 255, as PROFILE_ROWS lines of block characters, the top line first."""
    level = cv2.resize(profile[None].astype(np.float32), (columns, 1), interpolation=cv2.INTER_AREA)[0]
    eighths = np.rint(level / 255 * PROFILE_ROWS * 8).astype(int)  # (columns,)
    return ["".join(LEVELS[min(max(e - 8 * row, 0), 8)] for e in eighths) for row in reversed(range(PROFILE_ROWS))]


def watch(config: CameraConfig, console: Console) -> None:
    """Show the newest picture until Ctrl-C or the end of the source."""
    with closing(pipeline.look_through(config)) as looks, Live(console=console, auto_refresh=False, screen=True) as live:
        since_s = time.monotonic()
        for seen, look in enumerate(looks, 1):
            title = f"{config.name}   {seen / max(time.monotonic() - since_s, 1e-3):.1f} fps   Ctrl-C ends"
            live.update(Screen(look, title), refresh=True)
            if not isinstance(config, BaslerConfig):
                time.sleep(REFRESH_S)  # a folder would rush past


def write_view(config: CameraConfig, path: Path) -> int:
    """Write one picture, its profile beneath, as PNG."""
    with closing(pipeline.look_through(config)) as looks:
        look = next(looks, None)
    if look is None:
        raise InputError(f"no picture, camera {config.name}, its source is at its end")
    try:
        write_png(path, look.drawn())
    except OSError as e:
        raise InputError(f"picture not written: {e.strerror}, {path}, name another file with --png") from None
    print(f"{path}: {look}")
    return 0
