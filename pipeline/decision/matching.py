"""Matches announced frames with their scores, by key and never by order, and says which frames have waited too long."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.decision.due import Due
from pipeline.messages.frames import Announced, ScoreMap
from pipeline.messages.message import Payload
from pipeline.messages.stages import Mark

MAX_EARLY = 32
"""Scores kept that came before their frame was announced, some with pixels; those of a killed grabber wait in vain."""
MAX_WAITING = 1024
"""Frames that wait, of all cameras; more than the worker and all queues before it hold."""
MAX_STARTS = 1024
"""Starts of cameras whose last frame is known; each change of a style's settings makes one."""
Key = tuple[str, str, int]
Scored = tuple[ScoreMap, tuple[Payload, ...]]


class Matching:
    """Frames that wait for their scores, and scores that came before their frames; `marks`: of cameras before a restart."""

    def __init__(self, due: Due, marks: Mapping[str, Mark]) -> None:
        self._due = due
        self._waiting: dict[Key, Announced] = {}
        self._early: dict[Key, Scored] = {}
        self._last = {(camera, mark.boot_id): mark.next_seq - 1 for camera, mark in marks.items() if mark.boot_id}
        self._owed = {camera: mark.undecided for camera, mark in marks.items() if mark.undecided}
        """By camera: frames that a decision before this one had in hand, until they are told as lost."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def frames(self) -> list[Announced]:
        """Those that wait, in the order of their announcement."""
        return list(self._waiting.values())

    def announced(self, frame: Announced) -> int | None:
        """How many frames were lost just before this one; null: it was announced, or told as lost, before.

        Frames that nobody announced count as lost, too, and so do those that nobody will decide any more.
        """
        start = frame.camera, frame.boot_id
        last = self._last.get(start, -1)
        lost = frame.seq - last - 1 + self._owed.get(frame.camera, 0)
        if frame.seq <= last or lost < 0:
            return None
        self._owed.pop(frame.camera, None)
        self._last.pop(start, None)  # the one that spoke last is the last to be forgotten
        self._last[start] = frame.seq
        if len(self._last) > MAX_STARTS:
            del self._last[next(iter(self._last))]
        return lost

    def wait(self, frame: Announced) -> Scored | None:
        """Its scores, where they have come already; else it waits for them from now on."""
        if (early := self._early.pop(frame.key, None)) is None:
            self._waiting[frame.key] = frame
        return early

    def match(self, scored: ScoreMap) -> Announced | None:
        """The frame that waits for these scores, and waits no longer."""
        return self._waiting.pop(scored.key, None)

    def keep(self, scored: ScoreMap, payloads: tuple[Payload, ...]) -> bool:
        """Hold scores until their frame is announced; false: it was, and has its verdict."""
        if scored.seq <= self._last.get((scored.camera, scored.boot_id), -1):
            return False
        self._early[scored.key] = scored, payloads
        if len(self._early) > MAX_EARLY:
            self._early.pop(next(iter(self._early)))
        return True

    def overdue(self, now_ns: int) -> list[Announced]:
        """Frames whose time is up, and the oldest where too many wait; they wait no longer."""
        surplus = len(self._waiting) - MAX_WAITING
        keys = [key for n, (key, frame) in enumerate(self._waiting.items()) if n < surplus or self._due.over(frame, now_ns)]
        return [self._waiting.pop(key) for key in keys]

    def give_up(self) -> list[Announced]:
        """All frames that wait; they wait no longer."""
        frames = self.frames
        self._waiting.clear()
        return frames

    def spoken(self, camera: str) -> tuple[str, int, int]:
        """Of the start of a camera that spoke last: its boot_id and next frame; and how many of the camera have no verdict."""
        boot_id, last = next(((boot, seq) for (name, boot), seq in reversed(self._last.items()) if name == camera), ("", -1))
        waiting = sum(name == camera for name, _, _ in self._waiting)
        return boot_id, last + 1, waiting + self._owed.get(camera, 0)
