"""What an input kind is."""

from __future__ import annotations

from typing import Any, Protocol

from pipeline.link.protocol import Outbox
from pipeline.link.stage import Stage


class InputKind(Protocol):
    """The function of an input kind's module; `config` is of the kind's own class, with a `name` and `contacts`."""

    def make(self, config: Any, decision: Outbox, generation: int) -> Stage:
        """The stage of one input, in a process of its own: it tells decision of each contact that closes."""
        ...
