"""What feeds the page of a line: a thread that only listens to a line, and reads its record where it came too late to hear."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.dashboard.page import Page
from pipeline.dashboard.roll_so_far import RollSoFar
from pipeline.ledger.reading import (
    read_borders,
    read_events,
    read_last_verdicts,
    read_runs,
)
from pipeline.link.protocol import Inbox, portion
from pipeline.link.zmq_link import ZmqLink
from pipeline.messages.cloth import Roll
from pipeline.messages.message import Message
from pipeline.messages.verdicts import Verdict
from pipeline.supervision.builders import ROLES
from pipeline.supervision.left import Left, left_at_ns, look_at_left
from pipeline.supervision.runtime_folder import Start, is_running, runtime_folder, start_of

TOPICS = ("LineState", "Heartbeat", "Totals", "Action", "Roll", "SpanEvent", "Verdict")
WAIT_MS = 50
LOOK_S = 0.5
"""As often as it looks whether the line runs, and how its processes are."""
SETTLE_S = 2.0
"""After the first word of a run, or a hole in the verdicts, until the record has what was missed."""
FIND_S = 10.0
"""In so long a line has begun its record; one that has not has another place for it."""
MIN_APART_S = 30.0
"""Between two readings of the record of a line that runs."""
MAX_READ = 50_000
"""Verdicts read of a line that runs; the map of a longer roll begins later."""

ANY_SHAPE = (0, 0)


class Subscription(threading.Thread):
    """Feeds a page of a line from what it publishes. It says nothing to the line: a slow one loses messages, alone."""

    def __init__(self, page: Page) -> None:
        super().__init__(name="subscription", daemon=True)
        self._page = page
        self._stopped = threading.Event()
        self._held: deque[Verdict] = deque(maxlen=MAX_READ)
        """Heard since the record is to be read: it may not have them yet."""
        self._read_due_s: float | None = None
        self._last_read_s, self._find_by_s = -MIN_APART_S, 0.0
        self._following: tuple[int, int] | None = None
        """Generation and number of the verdict that comes next, if none was missed."""
        self._recorded = (0, -1)
        """Of the last one in the record, when it was read."""
        self._reading = False

    @property
    def _config(self) -> LineConfig:
        """Of the run that is listened to, as far as it is known."""
        assert self._page.config is not None
        return self._page.config

    def stop(self) -> None:
        """Listen no more; waits until the socket is closed."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Until it is stopped."""
        while not self._stopped.is_set():
            if is_running(self._config.line.name):
                with closing(ZmqLink(runtime_folder(self._config.line.name))) as link:
                    self._listen(link)
            self._stopped.wait(LOOK_S)

    def _listen(self, link: ZmqLink) -> None:
        """As long as this very line runs there; the next one tells its state only to those who come anew."""
        start = start_of(self._config.line.name)
        inbox = link.subscribe(self._config.publisher.bind, *TOPICS)
        with self._page.lock:
            self._page.view.begin()
        self._page.run_id, self._following = None, None
        self._held.clear()
        self._read_due_s = time.monotonic() + SETTLE_S
        self._last_read_s, self._find_by_s = -MIN_APART_S, time.monotonic() + FIND_S
        look_due_s = 0.0
        while not self._stopped.is_set():
            link.wait(WAIT_MS)
            self._take(inbox)
            now_s = time.monotonic()
            if now_s >= look_due_s:
                look_due_s = now_s + LOOK_S
                if start is None or start_of(self._config.line.name) != start:
                    break
                self._look(link.folder, start)
            if self._read_due_s is not None and now_s >= self._read_due_s:
                self._read(inbox)
        with self._page.lock:
            self._page.view.end()

    def _look(self, folder: Path, start: Start) -> None:
        """How its processes are, which run it is in the record, and whether that is the one that is shown."""
        left = look_at_left(folder)
        if self._page.run_id is None and left is not None:
            self._find_run(left, start)
        with self._page.lock:
            self._page.view.see(self._processes(left))
            # what a line before this one has left speaks of that one
            sought = self._page.run_id is None and time.monotonic() >= self._find_by_s and left_at_ns(folder) >= start.at_ns
            self._page.view.other_config = sought and left is not None and left.config_sha != self._config.sha

    def _take(self, inbox: Inbox) -> None:
        """What has come, a portion at a time; the thread that answers browsers gets its turn between."""
        messages = [message for message, _ in portion(inbox, 256)]
        if not messages:
            return
        with self._page.lock:
            for message in messages:
                self._hear(message)

    def _hear(self, message: Message) -> None:
        view = self._page.view
        if isinstance(message, Roll):
            before = view.cloth
            view.hear(message)
            if view.cloth is not before and view.cloth.roll is not None and before.roll is not None:
                self._read_soon()  # it may begin on cloth that has its verdicts already
            return
        if isinstance(message, Verdict):
            key = message.generation, message.number
            if self._following is not None and key > self._following:
                self._read_soon()
            self._following = key[0], key[1] + 1
            if message.regions:  # what is published says nothing of a picture: whether one was kept the disk knows
                message = message.model_copy(update={"cells_shape": ANY_SHAPE})
            if self._read_due_s is not None or self._reading:
                self._held.append(message)
        view.hear(message)

    def _read_soon(self) -> None:
        if self._read_due_s is None:
            self._read_due_s = max(time.monotonic() + SETTLE_S, self._last_read_s + MIN_APART_S)

    def _read(self, inbox: Inbox) -> None:
        """Fill the roll's cloth anew from the record, and from what was heard since."""
        self._last_read_s, self._read_due_s, self._reading = time.monotonic(), None, True
        try:
            cloth = self._from_record(inbox)
        except (InputError, OSError):  # not there yet, or just being removed
            cloth = None
        self._reading = False
        if cloth is None:
            self._read_due_s = time.monotonic() + SETTLE_S
            return
        view = self._page.view
        with self._page.lock:
            first = (self._held[0].generation, self._held[0].number) if self._held else None
            if first is None:
                self._following = self._following or (self._recorded[0], self._recorded[1] + 1)
            elif first > (self._recorded[0], self._recorded[1] + 1):  # the record is behind: there is still a hole
                self._read_soon()
            for verdict in self._held:
                if cloth.roll is None or verdict.roll_id == cloth.roll.roll_id:
                    cloth.add(verdict)
            if view.cloth.roll is cloth.roll:
                view.cloth = cloth
        if self._read_due_s is None:  # else the record may not have them by then: they would be missing from the map
            self._held.clear()

    def _from_record(self, inbox: Inbox) -> RollSoFar | None:
        """The roll's cloth as the record has it; null: the recorder has not begun this run yet."""
        ledger, view, run_id = self._config.ledger.path, self._page.view, self._page.run_id
        if run_id is None:
            return None
        self._page.reread_words()
        verdicts, borders = read_last_verdicts(ledger, MAX_READ, run_id), read_borders(ledger, run_id)
        roll = view.cloth.roll
        name = borders.named(roll.roll_id, roll.t_mono_ns) if roll else ""
        cloth = view.again(roll)
        self._recorded = (verdicts[-1].generation, verdicts[-1].number) if verdicts else (0, -1)
        for n, verdict in enumerate(verdicts):
            if roll is None or verdict.roll_id == name:
                cloth.add(verdict)
            if n % 500 == 499:
                self._take(inbox)
        for event in read_events(ledger, run_id):
            if roll is None or event.roll_id == roll.roll_id:
                cloth.add_event(event)
        return cloth

    def _find_run(self, left: Left, start: Start) -> None:
        """The last run in the ledger, where it is this line's: its recorder may not have begun it yet.

        A number of a process may come again, in a container each time: so the run must also have begun since, unless this
        line goes on with the run of one that was killed.
        """
        with suppress(InputError, OSError, ValueError):
            run_id, facts = next(reversed(read_runs(self._config.ledger.path).items()), (None, {}))
            goes_on = left.generations.get("recorder recorder", 0) > 0
            begun_ns = datetime.fromisoformat(str(facts.get("started"))).timestamp() * 1e9
            if facts.get("parent_pid") == left.begun_by and (goes_on or begun_ns >= start.at_ns):
                self._page.follow(facts)
                self._page.run_id = run_id
                self._page.reread_words()

    def _processes(self, left: Left | None) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        for role, row in ROLES.items():
            for name in row.names(self._config):
                key = f"{role} {name}"
                state = left.states.get(key) if left else None
                restarts = max(left.generations.get(key, 0), 0) if left else 0
                told.append({"role": role, "name": name, "state": str(state) if state else None, "restarts": restarts})
        return told
