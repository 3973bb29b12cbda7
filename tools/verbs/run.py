"""`glassline run`: the live line, one process for each part, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live

import pipeline
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.dashboard.screen import Screen
from pipeline.messages.message import Message
from pipeline.messages.stages import Progress
from tools.verbs.display import Display
from tools.verbs.log_json import JsonLog
from tools.verbs.replay import show


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("run", help="run a line")
    p.add_argument("config", type=Path, metavar="CONFIG", help="YAML of the line")
    p.add_argument("--observe", action="store_true", help="outputs inhibited, scores kept for calibration")
    limit = p.add_mutually_exclusive_group()
    limit.add_argument("--metres", type=float, metavar="N", help="stop after so much cloth, inspected or not")
    limit.add_argument("--frames", type=int, metavar="N", help="stop after so many verdicts")
    limit.add_argument("--seconds", type=float, metavar="N", help="stop so long after the line is ready")
    p.add_argument("--slow-ok", action="store_true", help="run even where the engine is measured too slow for the cameras")
    p.add_argument("--json", action="store_true", help="print one JSON object at the end")
    p.add_argument("--log-json", action="store_true", help="say what happens as JSON lines on stderr, also on a terminal")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 after Ctrl-C, a limit, or the end of the sources; LineFailed when the line cannot go on."""
    config = load_config(args.config)
    with JsonLog(config, _own_stderr()) if args.log_json else Operator(config) as operator:
        summary = pipeline.run(
            config, args.observe, args.frames, args.seconds, args.slow_ok, watcher=operator, report=operator.display,
            metres=args.metres,
        )  # fmt: skip
    show(summary, args.json)
    return 0


class Operator:
    """Shows a line on the terminal: its screen below what is said, or one line for each event where there is no terminal.

    Its writes may wait for ever: a stopped terminal, a pipe that nobody reads. So it has a stderr of its own, and where it is
    still in a write at the end, what the program says afterwards goes nowhere, rather than wait behind it.
    """

    def __init__(self, config: LineConfig) -> None:
        self._out = _own_stderr()
        console = Console(file=self._out)
        self.display = Display(console)
        self._screen = Screen(config)
        self._live: Live | None = None
        if console.is_terminal:  # what the processes print is said here, too: nothing else need be caught
            self._live = Live(
                self._screen, console=console, refresh_per_second=4, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
        self._writing = False

    def __enter__(self) -> Self:
        self.display.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._out is sys.stderr:
            self.display.__exit__(kind, error, trace)
        elif self._writing:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        else:
            self.display.__exit__(kind, error, trace)
            self._out.close()

    def hear(self, message: Message) -> None:
        """Takes it onto the screen, or says it."""
        self._screen.update(message)
        if self._live is None and (text := self._screen.log_line(message)):
            self.say(text)

    def say(self, words: str) -> None:
        """A line, above the screen."""
        with self._write():
            self.display.say(words)

    def progress(self, progress: Mapping[str, Progress]) -> None:
        """Begins to show the screen when the line runs."""
        self._screen.progress(progress)
        if self._live is None and (text := self._screen.waiting_line()):
            self.say(text)
        if self._live is not None and not self._live.is_started:
            with self._write():
                self.display.stop()
                self._live.start()

    def leave(self) -> None:
        """Leaves the terminal to the last words of the line's processes."""
        if self._live is not None:
            with self._write():
                self._live.stop()

    @contextmanager
    def _write(self) -> Iterator[None]:
        self._writing = True
        yield
        self._writing = False  # after an error it is for good: there is nobody to write to


def _own_stderr() -> TextIO:
    """Another way to where stderr goes: a write that waits there holds no lock of it."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors="backslashreplace")
    except OSError:  # stderr is no file: somebody collects it
        return sys.stderr
