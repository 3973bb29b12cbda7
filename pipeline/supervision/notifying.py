"""What a line tells systemd: that it is up, that it makes progress, that it stops. Elsewhere it tells nobody.

One datagram a word, as https://www.freedesktop.org/software/systemd/man/sd_notify.html has it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from pipeline.messages.stages import Progress

PINGS = 3
"""In a watchdog's time: one that is late, or lost, ends no line."""


class ServiceManager:
    """Told of a line again and again; it is pinged only for progress, so that a line that stands still is ended by it."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        for_us = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        self._every_ns = int(environment.get("WATCHDOG_USEC", "0")) * 1000 // PINGS if for_us else 0
        self._due_ns = 0
        self._before: dict[str, Progress] = {}
        self._is_up = False

    def see(self, up: bool, at_work: Mapping[str, Progress], now_ns: int) -> None:
        """Whether all is up that is not away, and the last word of each process that the line cannot do without."""
        if up and not self._is_up:
            self._is_up = True
            self._tell("READY=1")
        if not self._every_ns or now_ns < self._due_ns:
            return
        if all(has_moved(progress, self._before.get(name)) for name, progress in at_work.items()):
            self._before, self._due_ns = dict(at_work), now_ns + self._every_ns
            self._tell("WATCHDOG=1")

    def stops(self) -> None:
        """The line stops because it was told to."""
        self._tell("STOPPING=1")

    def _tell(self, word: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:  # systemd may start anew itself
            to.setblocking(False)
            to.sendto(word.encode(), address)


def has_moved(now: Progress, before: Progress | None) -> bool:
    """Whether a stage has stepped since then, and got something done where it had something in hand."""
    if before is None or now.generation != before.generation:
        return True
    return now.steps > before.steps and (not now.waiting or now.handled != before.handled)
