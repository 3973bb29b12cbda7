"""How the verbs show on the terminal what their work tells: words as lines, passes as a bar that goes when it is full."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from glass_core.errors import as_line
from glass_core.events import Pass
from glass_core.network.checkpoint import EpochFigures
from glass_core.training.events import Step

MAX_WIDTH = 1 << 16
"""Of what goes into a file or a pipe, which has no width: nothing is cut or wrapped there."""


def answers(stderr: bool = False) -> Console:
    """Where a verb's answer goes, as it is written: as wide as the screen, or as long as it is where there is none."""
    width = None if Console(stderr=stderr).is_terminal else MAX_WIDTH
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


class Display:
    """Called with each event; used as a context manager, so that no bar is left behind."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
        # Work may begin while stdout is turned elsewhere: a bar that took it over would give back the wrong one.
        self._bars = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True, redirect_stdout=False)
        self._bar: TaskID | None = None
        self._title = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Leaves the terminal to others."""
        if self._bars.live.is_started:
            self._bars.stop()

    def __call__(self, event: object) -> None:
        """Shows an event."""
        match event:
            case Pass():
                self._show(event.title, event.done, event.total)
            case EpochFigures():
                if event.selection_auroc is not None:
                    self.say(_of_epoch(event))
            case Step():
                self._show("training", event.done, event.total, f"loss {event.figures['loss']:.3f}")
            case _:
                self.say(str(event))

    def say(self, words: str) -> None:
        """One line, however long."""
        self.console.print(as_line(words), soft_wrap=True, highlight=False, markup=False, emoji=False)

    def _show(self, title: str, done: int, total: int | None, figures: str = "") -> None:
        if not self.console.is_terminal:  # a bar in a file is noise
            return
        self._bars.start()
        if self._bar is None or title != self._title:
            self._end()
            self._bar, self._title = self._bars.add_task(title, total=total, figures=figures), title
        self._bars.update(self._bar, completed=done, total=total, figures=figures)
        if done == total:
            self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bars.remove_task(self._bar)
            self._bar = None


def _of_epoch(figures: EpochFigures) -> str:
    return (
        f"epoch {figures.epoch}: loss {figures.loss:.3f}, held-out good tiles up to {figures.selection_good_q99:.3f} "
        f"(99 %), synthetic defects told apart {figures.selection_auroc:.4f} (AUROC)"
    )
