"""What every source of encoder counts is; each kind has a module of its own."""

from __future__ import annotations

from typing import Protocol

Reading = tuple[int, int]
"""Count, and the monotonic time of it in ns."""


class Counts(Protocol):
    """Readings of a counter."""

    rests: bool
    """True: silence means that the cloth rests (a triggered camera). False: silence is a fault."""
    trouble: str
    """What its device fails in, or that it is read too seldom; empty while all is well."""

    @property
    def refused(self) -> int:
        """Readings that were none."""
        ...

    def read(self, now_ns: int) -> list[Reading]:
        """What has come since the last call, in order; never waits longer than a device may take to answer."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...
