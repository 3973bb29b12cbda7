"""A camera's own counter of its pictures, without its wraps (pure)."""

from __future__ import annotations

WRAP = 65535
"""GigE Vision 1 counts blocks 1 to 65535 and begins again."""


class Blocks:
    """Numbers of blocks as they come; a camera that has no counter is counted here.

    `most_late`: a buffer with missing packets is given up after newer ones have come, but never later than by so many
    buffers as there are. What goes back further is a counter that began anew.
    """

    NONE = 2**64 - 1

    def __init__(self, most_late: int) -> None:
        self._most_late = most_late
        self._last: int | None = None
        self._unwrapped = -1

    def count(self, block: int, skipped: int = 0) -> int | None:
        """The block's number; a step of more than 1 is a loss. `skipped` matters only without a counter.

        None: it comes after newer ones, which have shown it as lost already.
        """
        if block == self.NONE:
            self._unwrapped += 1 + skipped
        elif self._last is None:
            self._unwrapped = block
        else:
            wraps = max(block, self._last) <= WRAP
            if 0 < self._last - block <= self._most_late or (wraps and 0 < self._last + WRAP - block <= self._most_late):
                return None
            self._unwrapped += block - self._last + (WRAP if wraps and block <= self._last else 0)
        self._last = block
        return self._unwrapped
