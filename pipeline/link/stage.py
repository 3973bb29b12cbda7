"""What a stage is, whoever steps it."""

from __future__ import annotations

from typing import Protocol

from pipeline.messages.states import StageState


class Stage(Protocol):
    """One part of the line: no loop, thread, sleep or socket inside, its collaborators handed in.

    One that may be left alone for longer than IDLE_MS while nothing comes for it says so by `idle_ms`.
    """

    state: StageState
    handled: int

    @property
    def waiting(self) -> int:
        """What is in hand; waiting without handling is being stuck."""
        ...

    def step(self, now_ns: int) -> bool:
        """Do a little of what there is to do; whether there was something."""
        ...

    def close(self) -> None:
        """Finish what can be finished and release."""
        ...
