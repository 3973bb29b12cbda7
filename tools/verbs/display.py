"""How the verbs show on the terminal what their work tells: words as lines, passes as a bar that goes when it is full."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from glass_core.errors import as_line
from glass_core.events import Pass
from glass_core.network.checkpoint import EpochFigures
from glass_core.training.events import Step

LOG_S = 30.0
"""Between two lines of progress where there is no terminal."""
MAX_WIDTH = 1 << 16
"""Of what goes into a file or a pipe, which has no width: nothing is cut or wrapped there."""


def answers(stderr: bool = False) -> Console:
    """Where a verb's answer goes, as it is written: as wide as the screen, or as long as it is where there is none."""
    width = None if Console(stderr=stderr).is_terminal else MAX_WIDTH
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


class Display:
    """Called with each event; used as a context manager, so that no bar is left behind."""

    def __init__(self, console: Console | None = None, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
        # Work may begin while stdout is turned elsewhere: a bar that took it over would give back the wrong one.
        self._bars = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True, redirect_stdout=False)
        self._bar: TaskID | None = None
        self._title = ""
        self._clock_s = clock_s
        self._first_step: tuple[int, float] | None = None
        """Iterations done and the time of the first that was told."""
        self._logged_s = 0.0

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
                self._show_step(event)
            case _:
                self.say(str(event))

    def _show_step(self, step: Step) -> None:
        """As a bar; in a file or a pipe now and then as a line, with what the pace so far lets expect."""
        epoch, loss = f"epoch {step.epoch} of {step.epochs}", f"loss {step.figures['loss']:.3f}"
        if self.console.is_terminal:
            self._show("training", step.done, step.total, f"{epoch}, {loss}")
            return
        now_s = self._clock_s()
        if self._first_step is None or step.done <= self._first_step[0]:
            self._first_step, self._logged_s = (step.done, now_s), now_s
        elif now_s - self._logged_s >= LOG_S and step.done < step.total:
            self._logged_s = now_s
            done, began_s = self._first_step
            left_s = (now_s - began_s) / (step.done - done) * (step.total - step.done)
            self.say(f"training: {epoch}, iteration {step.done} of {step.total}, {loss}, about {_duration(left_s)} left")

    def say(self, words: str) -> None:
        """One line, however long."""
        self.console.print(as_line(words), soft_wrap=True, highlight=False, markup=False, emoji=False)

    def _show(self, title: str, done: int, total: int | None, figures: str = "") -> None:
        if not self.console.is_terminal:  # a bar in a file is noise, and a long silence looks like a hang
            now_s = self._clock_s()
            if title != self._title:
                self._title, self._logged_s = title, now_s
            elif now_s - self._logged_s >= LOG_S and done != total:
                self._logged_s = now_s
                self.say(f"{title}: {done}" if total is None else f"{title}: {done} of {total}")
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


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _of_epoch(figures: EpochFigures) -> str:
    return (
        f"epoch {figures.epoch}: loss {figures.loss:.3f}, held-out good tiles up to {figures.selection_good_q99:.3f} "
        f"(99 %), synthetic defects told apart {figures.selection_auroc:.4f} (AUROC)"
    )
