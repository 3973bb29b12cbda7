"""`glassline camera`: which cameras are there, and what one of them sees: picture, line profile, focus, saturation."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from glass_core.errors import InputError
from pipeline.cameras import Camera, CameraLost, make_camera
from pipeline.cameras.basler import BaslerCamera, list_devices
from pipeline.cameras.picture import write_png
from pipeline.config.cameras import BaslerConfig, CameraConfig
from pipeline.config.cards import load_config

PATIENCE_S = 5.0
"""Longest wait for a first picture."""
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
    config = find(args.name, args.config)
    console = Console(stderr=True)
    if args.png is not None or not console.is_terminal:
        return write_view(config, args.png or Path(f"{config.name}.png"))
    with suppress(KeyboardInterrupt):
        watch(config, console)
    return 0


def show_list(as_json: bool) -> int:
    """Every Basler camera pylon finds."""
    devices = list_devices()
    if as_json:
        print(json.dumps({"schema": 1, "cameras": devices}))
        return 0
    for d in devices:
        print(f"{d['serial']:<16} {d['model']:<24} {d['class']:<14} {'emulated' if d['emulated'] else ''}".rstrip())
    if not devices:
        print("no Basler camera found; PYLON_CAMEMU=2 in the environment makes two emulated ones", file=sys.stderr)
    return 0


def find(name: str, config: Path | None) -> CameraConfig:
    """The camera of that name in a line's YAML, else the Basler camera with that serial."""
    cameras = load_config(config).cameras if config else ()
    for camera in cameras:
        if name in (camera.name, getattr(camera, "serial", None)):
            return camera
    if cameras:
        raise InputError(f"no camera {name}, {config}, name one of {', '.join(c.name for c in cameras)}")
    if not all(c.isalnum() or c in "-_" for c in name) or len(name) > 32:
        raise InputError(f"not a serial, {name}, give --config CONFIG for a camera's name, or see `glassline camera list`")
    return BaslerConfig(name=name, source="basler", serial=name)


@dataclass(frozen=True)
class Look:
    """One picture, and what a person who sets up a camera wants to know of it."""

    pixels: np.ndarray
    profile: np.ndarray
    """Mean grey level of each column: (W,)."""
    focus: float
    """Variance of the Laplacian: the sharper, the higher; only comparable on the same cloth and light."""
    saturated_percent: float
    """Pixels at full scale in any channel."""

    @classmethod
    def at(cls, pixels: np.ndarray) -> Look:
        """Measure a picture, (H, W) or (H, W, 3) uint8."""
        grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        full = (pixels == 255) if pixels.ndim == 2 else (pixels == 255).any(axis=2)
        return cls(pixels, grey.mean(axis=0), float(cv2.Laplacian(grey, cv2.CV_32F).var()), 100 * float(full.mean()))

    def words(self) -> str:
        """The figures on one line."""
        height, width = self.pixels.shape[:2]
        return (
            f"{width} x {height}   mean {self.profile.mean():.1f}   min column {self.profile.min():.1f}   "
            f"max column {self.profile.max():.1f}   focus {self.focus:.1f}   saturated {self.saturated_percent:.2f} %"
        )


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
        for text in (self._title, self._look.words()):
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
    with closing(make(config)) as camera, Live(console=console, auto_refresh=False, screen=True) as live:
        since_s = time.monotonic()
        for seen, look in enumerate(looks(camera, config.name), 1):
            title = f"{config.name}   {seen / max(time.monotonic() - since_s, 1e-3):.1f} fps   Ctrl-C ends"
            live.update(Screen(look, title), refresh=True)
            if not isinstance(config, BaslerConfig):
                time.sleep(REFRESH_S)  # a folder would rush past


def write_view(config: CameraConfig, path: Path) -> int:
    """Write one picture, its profile beneath, as PNG."""
    with closing(make(config)) as camera:
        look = next(looks(camera, config.name), None)
    if look is None:
        raise InputError(f"no picture, camera {config.name}, its source is at its end")
    try:
        write_png(path, drawn(look))
    except OSError as e:
        raise InputError(f"picture not written: {e.strerror}, {path}, name another file with --png") from None
    print(f"{path}: {look.words()}")
    return 0


def make(config: CameraConfig) -> Camera:
    """The camera, not yet opened; a Basler camera skips to the newest picture."""
    return BaslerCamera(config, latest_only=True) if isinstance(config, BaslerConfig) else make_camera(config)


def looks(camera: Camera, name: str) -> Iterator[Look]:
    """Open the camera and measure each whole picture; InputError where none comes, or the camera goes."""
    camera.open()
    since_s = time.monotonic()
    try:
        camera.trigger()
        for shot in camera.shots():
            if shot is not None and shot.pixels is not None:
                yield Look.at(shot.pixels)
                since_s = time.monotonic()
            elif time.monotonic() - since_s > PATIENCE_S:
                raise InputError(f"no whole picture within {PATIENCE_S:g} s, camera {name}, check its trigger and cable")
            camera.trigger()
    except CameraLost as e:
        raise InputError(f"camera lost: {e}, camera {name}, check cable and power") from None


def drawn(look: Look) -> np.ndarray:
    """The picture with its column profile (0 to 255, lines at 64, 128, 192) and figures beneath: RGB uint8."""
    picture = look.pixels if look.pixels.ndim == 3 else cv2.cvtColor(look.pixels, cv2.COLOR_GRAY2RGB)
    width, plot_px, text_px = picture.shape[1], 256, 28
    plot = np.full((plot_px + text_px, width, 3), 24, np.uint8)
    for level in (64, 128, 192):
        plot[plot_px - level] = 70
    points = np.stack([np.arange(width), plot_px - 1 - np.rint(look.profile)], axis=1).astype(np.int32)
    cv2.polylines(plot, [points], isClosed=False, color=(120, 220, 120), thickness=1)
    cv2.putText(plot, look.words(), (6, plot_px + 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA)
    return np.vstack([picture, plot])
