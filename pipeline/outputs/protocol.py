"""What an output kind is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from pipeline.config.line import LineConfig
from pipeline.link.protocol import Inbox, Outbox
from pipeline.link.stage import Stage


class OutputKind(Protocol):
    """The functions of an output kind's module; `config` is of the kind's own class.

    Each entry under `outputs:` but the publisher is a process of its own, so that a mute machine holds up nothing else.
    """

    def make(self, config: Any, heard: Inbox, decision: Outbox, generation: int, line: LineConfig) -> Stage:
        """The stage of one output of that line: it hears what the line publishes, and may answer decision."""
        ...

    def trials(self, config: Any) -> Iterator[tuple[str, str]]:
        """For `glassline outputs test`: switches one thing after the other on, and all off at the end.

        Yields the name of what is on now, and in words where. Raises DeviceLost where nobody answers.
        """
        ...
