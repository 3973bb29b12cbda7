"""What the signals to this process do while something runs, and afterwards again what they did before."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

TAKE_OVER = signal.SIGUSR1
"""To a worker that stands by."""


@contextmanager
def handled(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Signals do this meanwhile; only in the main thread, as Python has it."""

    def handle(number: int, frame: object) -> None:
        handlers[signal.Signals(number)]()

    before = {number: signal.signal(number, handle) for number in handlers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """SIGINT, SIGTERM and SIGHUP only ask to stop: whether one has come."""
    stopped: list[int] = []
    with handled(dict.fromkeys(_stops(), lambda: stopped.append(1))):
        yield lambda: bool(stopped)


@contextmanager
def interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt as SIGINT does, so that what was begun is put away."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with handled(dict.fromkeys(_stops(), interrupt)):
        yield


def _stops() -> list[signal.Signals]:
    stops = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup the work outlives its terminal
        stops.append(signal.SIGHUP)
    return stops
