"""`glassline run`: the live line, one process for each part, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

import pipeline
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.dashboard.screen import Screen
from pipeline.messages.message import Message
from pipeline.messages.stages import Progress
from tools.verbs.display import Display
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


def run(args: argparse.Namespace) -> int:
    """Exit 0 after Ctrl-C, a limit, or the end of the sources; LineFailed when the line cannot go on."""
    config = load_config(args.config)
    with Operator(config) as operator:
        summary = pipeline.run(
            config, args.observe, args.frames, args.seconds, args.slow_ok, watcher=operator, report=operator.display
        )
    show(summary, args.json)
    return 0


class Operator:
    """Shows a line on the terminal: its screen, or one line for each event where the output is no terminal."""

    def __init__(self, config: LineConfig) -> None:
        console = Console(stderr=True)
        self.display = Display(console)
        self._screen = Screen(config)
        self._live = Live(self._screen, console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        self.display.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.display.__exit__(kind, error, trace)

    def hear(self, message: Message) -> None:
        """Takes it onto the screen, or says it."""
        self._screen.update(message)
        if self._live is None and (text := self._screen.log_line(message)):
            print(text, file=sys.stderr, flush=True)

    def progress(self, progress: Mapping[str, Progress]) -> None:
        """Begins to show the screen when the line runs."""
        self._screen.progress(progress)
        if self._live is not None and not self._live.is_started:
            self.display.stop()
            self._live.start()

    def leave(self) -> None:
        """Leaves the terminal to the last words of the line's processes."""
        if self._live is not None:
            self._live.stop()
