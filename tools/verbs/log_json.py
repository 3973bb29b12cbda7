"""What a line says as JSON lines on stderr, for whoever collects logs: one object a line, nothing else."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TextIO

from pipeline.config.line import LineConfig
from pipeline.dashboard.screen import Screen
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.stages import Progress
from pipeline.messages.states import State

BAD = {State.DEGRADED, State.FAULT}


class JsonLog:
    """A watcher of a line: each object has `time`, `level` (info or warning), `line`, `kind`, `text`, and of a message of the
    line its fields as `message`. The same things are said as on a terminal.
    """

    def __init__(self, config: LineConfig, out: TextIO | None = None, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._line, self._out = config.line.name, out or sys.stderr
        self._screen = Screen(config, now_ns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is kept back."""

    def display(self, note: object) -> None:
        """What is to be said before the line runs."""
        self.say(str(note))

    def hear(self, message: Message) -> None:
        """What the line publishes, where it is worth a line."""
        if (text := self._screen.log_line(message)) is not None:
            bad = isinstance(message, LineState) and message.state in BAD
            self._write("warning" if bad else "info", type(message).__name__, text, message=message.model_dump(mode="json"))

    def say(self, words: str) -> None:
        """A line of text of the line's processes, or about them."""
        self._write("warning" if words.startswith("glassline:") else "info", "words", words)

    def progress(self, progress: Mapping[str, Progress]) -> None:
        """What a line that starts waits for; figures are for /metrics."""
        self._screen.progress(progress)
        if text := self._screen.waiting_line():
            self.say(text)

    def leave(self) -> None:
        """Nothing."""

    def _write(self, level: str, kind: str, text: str, **more: Any) -> None:
        said = {"time": datetime.now(UTC).isoformat(), "level": level, "line": self._line, "kind": kind, "text": text, **more}
        print(json.dumps(_finite(said)), file=self._out, flush=True)


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
