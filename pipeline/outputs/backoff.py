"""When another side that failed is tried again: each pause is twice the one before, up to a limit."""


class Backoff:
    """The pauses of one side, from `first_ns` to `most_ns`."""

    def __init__(self, first_ns: int, most_ns: int) -> None:
        self._first_ns = self._pause_ns = first_ns
        self._most_ns = most_ns

    def pause_ns(self) -> int:
        """So long from a failure to the next try; the one after it waits longer."""
        pause_ns, self._pause_ns = self._pause_ns, min(2 * self._pause_ns, self._most_ns)
        return pause_ns

    def reset(self) -> None:
        """The side has answered: its next failure is a first one."""
        self._pause_ns = self._first_ns
