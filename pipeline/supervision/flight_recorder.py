"""Remembers the last seconds of a line, and has them written into a black box when something fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.config.line import LineConfig
from pipeline.ledger.black_box import Entry, Fault, LastWord, Opening, Picture, Printed, Published
from pipeline.ledger.box_folder import box_path
from pipeline.messages.frames import MAX_SHRUNK_BYTES, Frame
from pipeline.messages.line import LineState
from pipeline.messages.message import Message, Payload
from pipeline.messages.states import State
from pipeline.supervision.child import environment
from pipeline.supervision.words import Words

KEPT_NS = 30_000_000_000
"""Before the fault."""
AFTER_NS = 2_000_000_000
"""A box also shows what the line did about the fault."""
INTERVAL_NS = 10_000_000_000
"""From one box to the next."""
EPISODE_NS = 60_000_000_000
"""A process that fails again within this time gets no second box: a camera that is unplugged fails for hours."""
MESSAGES, LINES, PICTURES, FAULTS = 600, 100, 4, 50
"""Kept at most: messages of a kind, lines of a process, pictures of a camera, faults of a box."""
MESSAGES_BYTES, LINES_BYTES = 5_000_000, 2_000_000
"""In a box; the newest go in first."""
LEAVE_S = 0.2
"""A box that is being written when the line ends has at least so long; then it is left alone with its disk."""


@dataclass(frozen=True)
class Episode:
    """Faults that go into one box, and what is lost if it is not noted when the first comes."""

    path: Path
    begun_ns: int
    due_ns: int
    pictures: list[Picture]
    faults: list[Fault] = field(default_factory=list)
    words: dict[tuple[str, str, int], LastWord] = field(default_factory=dict)
    """By role, name and generation."""

    def note(self, words: Iterable[LastWord]) -> None:
        """Keep each process's newest word; that of one that died stays."""
        self.words.update({(w.role, w.name, w.progress.generation if w.progress else -1): w for w in words})


class FlightRecorder:
    """Hears what the supervisor hears; `last_words` gives the last word of each process, `say` tells people of a box.

    It writes nothing itself: a process is started for each box and never waited for.
    """

    def __init__(self, config: LineConfig, last_words: Callable[[], list[LastWord]], say: Callable[[str], None]) -> None:
        self._config, self._last_words, self._say = config, last_words, say
        self.begun_by = os.getpid()
        """The process that began the run: by it a report knows whose boxes are whose."""
        self._messages: dict[str, deque[tuple[int, Message]]] = {}
        self._printed: dict[str, deque[tuple[int, str]]] = {}
        self._pictures: dict[str, deque[tuple[int, Frame, bytes]]] = {c.name: deque(maxlen=PICTURES) for c in config.cameras}
        self._state: State | None = None
        self._failed_ns: dict[str, int] = {}
        self._episode: Episode | None = None
        self._last: Episode | None = None
        self._written_ns = -INTERVAL_NS
        self._writer: subprocess.Popen[bytes] | None = None
        self._writer_words: Words | None = None

    def hear(self, message: Message, now_ns: int) -> None:
        """What the line published; a FAULT that latches is a fault."""
        self._messages.setdefault(type(message).__name__, deque(maxlen=MESSAGES)).append((now_ns, message))
        if isinstance(message, LineState):
            if message.state is State.FAULT and self._state is not State.FAULT:
                self.fault("line", message.detail, now_ns)
            self._state = message.state

    def see(self, frame: Frame, payload: Payload, now_ns: int) -> bool:
        """A small picture; false where it is none of this line's."""
        if frame.camera not in self._pictures or memoryview(payload).nbytes > MAX_SHRUNK_BYTES:
            return False
        self._pictures[frame.camera].append((now_ns, frame, bytes(payload)))
        return True

    def read(self, process: str, line: str, now_ns: int) -> None:
        """What a process printed."""
        self._printed.setdefault(process, deque(maxlen=LINES)).append((now_ns, line))

    def fault(self, process: str, why: str, now_ns: int, status: int | None = None) -> None:
        """Something failed: a box is due soon, unless the same failed a moment ago."""
        known_ns = self._failed_ns.get(process)
        self._failed_ns[process] = now_ns
        if self._episode is None:
            if known_ns is not None and now_ns - known_ns < EPISODE_NS:
                return
            due_ns = max(now_ns + AFTER_NS, self._written_ns + INTERVAL_NS)
            pictures = [Picture.of(frame, pixels, at_ns) for kept in self._pictures.values() for at_ns, frame, pixels in kept]
            self._episode = Episode(box_path(self._config.ledger.path, time.time_ns(), process), now_ns, due_ns, pictures)
        self._episode.note(self._last_words())
        if len(self._episode.faults) < FAULTS:
            self._episode.faults.append(Fault(process=process, why=why, status=status, t_mono_ns=now_ns))

    def step(self, now_ns: int) -> None:
        """Begin the box that is due, and tell of one that is written."""
        self._tell_written()
        if self._episode is not None and self._writer is None and now_ns >= self._episode.due_ns:
            self._begin_box(now_ns)

    def close(self, now_ns: int) -> None:
        """The line ends: what is due later is begun now, and takes the place of a box that was made a moment ago."""
        self._await_writer(time.monotonic() + LEAVE_S)
        if self._episode is None:
            return
        if self._writer is not None:
            self._say(f"glassline: black box not written (the disk is slow), {self._episode.path}")
            return
        if self._last is not None and now_ns - self._written_ns < INTERVAL_NS:
            last, own = self._last, self._episode
            own.note(last.words.values())
            self._episode = replace(
                own, path=last.path, begun_ns=last.begun_ns, pictures=last.pictures, faults=last.faults + own.faults
            )
        self._begin_box(now_ns)

    def leave(self, until_s: float) -> None:
        """The last word: give the box that is being written until then, and leave it behind if need be."""
        self._await_writer(max(until_s, time.monotonic() + LEAVE_S))
        if self._writer_words is not None and self._last is not None:
            self._writer_words.last()
            self._say(f"glassline: the disk is slow, a black box may still come, {self._last.path}")

    def _begin_box(self, now_ns: int) -> None:
        assert self._episode is not None
        self._last, self._episode, self._written_ns = self._episode, None, now_ns
        command = [sys.executable, "-m", "pipeline.supervision.box_writer", str(self._last.path)]
        try:
            with os.fdopen(os.memfd_create("glassline-black-box"), "w+b") as memory:
                memory.write(self._entries(self._last, now_ns))
                memory.seek(0)
                self._writer = subprocess.Popen(
                    command, env=environment(), stdin=memory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as e:  # no memory, no more processes or files
            self._say(f"glassline: black box not written ({e.strerror}), {self._last.path}")
            return
        assert self._writer.stdout is not None
        self._writer_words = Words(self._writer.stdout)

    def _entries(self, episode: Episode, now_ns: int) -> bytes:
        episode.note(self._last_words())
        since_ns = episode.begun_ns - KEPT_NS
        heard = [(at_ns, message) for kept in self._messages.values() for at_ns, message in kept if at_ns >= since_ns]
        before = [state for state in self._messages.get("LineState", ()) if state[0] < since_ns][-1:]
        messages = [Published.of(message, at_ns) for at_ns, message in sorted(before + heard, key=lambda kept: kept[0])]
        lines = [(at_ns, name, text) for name, kept in self._printed.items() for at_ns, text in kept]
        printed = [Printed(process=name, text=text, t_mono_ns=at_ns) for at_ns, name, text in sorted(lines)]
        shown, left_out = _newest(messages, MESSAGES_BYTES)
        read, unread = _newest(printed, LINES_BYTES)
        opening = Opening(
            line=self._config.line.name, supervisor_pid=self.begun_by, config_sha=self._config.sha, t_mono_ns=now_ns,
            t_utc_ns=time.time_ns(), left_out=left_out + unread,
        )  # fmt: skip
        whole: list[Entry] = [opening, *episode.faults, *episode.words.values(), *episode.pictures]
        return b"".join([_line(entry) for entry in whole] + read + shown)

    def _await_writer(self, until_s: float) -> None:
        while self._writer is not None and self._writer.poll() is None and time.monotonic() < until_s:
            time.sleep(0.01)
        self._tell_written()

    def _tell_written(self) -> None:
        if self._writer is None or (code := self._writer.poll()) is None:
            return
        assert self._writer_words is not None and self._last is not None
        for line in self._writer_words.last():
            self._say(line)
        if code == 0:
            self._say(f"glassline: what led to it is kept, {self._last.path}")
        elif code < 0:
            self._say(f"glassline: black box not written (the disk is slow), {self._last.path}")
        self._writer = self._writer_words = None


def _line(entry: Entry) -> bytes:
    return entry.model_dump_json().encode() + b"\n"


def _newest(entries: list[Published] | list[Printed], most_bytes: int) -> tuple[list[bytes], int]:
    """The newest lines that have room, in order, and how many have none."""
    lines = deque[bytes]()
    for entry in reversed(entries):
        line = _line(entry)
        most_bytes -= len(line)
        if most_bytes < 0:
            break
        lines.appendleft(line)
    return list(lines), len(entries) - len(lines)
