"""The stage that keeps pictures of the running line; nothing in the line waits for it or for its disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from pipeline.config.line import LineConfig
from pipeline.config.recording import RecordingConfig
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Roll, SpanEvent
from pipeline.messages.frames import Frame
from pipeline.messages.line import LineState
from pipeline.messages.motion import Motion
from pipeline.messages.states import StageState
from pipeline.messages.verdicts import Verdict
from pipeline.recording.folder import RecordingFolder
from pipeline.recording.ring import Entry, Ring, Windows
from pipeline.recording.writing import McapWriter

HEARD = (Verdict, Reject, Action, LineState, Roll, SpanEvent)
"""What is kept of what the line publishes."""
TAKEN = 8
"""Pictures and words of motion taken in a step."""
STEP_BYTES = 16_000_000
"""Written in a step, about."""
VERDICT_NS = 2_000_000_000
"""A verdict comes so long after its picture, at most, if all that is to be kept before it is still to be there."""
FLUSH_NS = RETRY_NS = 1_000_000_000
SETTLE_NS = 2_000_000_000
"""The verdict that says that a camera lost frames has come by then."""
TOLD_NS = 60_000_000_000
STARTS = 2


class RecordingStage:
    """Pictures wait in a ring in memory until it is known whether a defect is near; then they are written, or go.

    Frames come from the grabbers, motion from its stage, all else from what the line publishes. Whoever sends never waits:
    what is not taken is missed, counted and told, and so is what the disk refuses. It says DEGRADED then, and tries again each
    second, in a new file.
    """

    idle_ms = 20

    def __init__(
        self, heard: Inbox, sent: Inbox, decision: Outbox, line: LineConfig, generation: int, utc_ns: Callable[[], int]
    ) -> None:
        assert line.recording is not None
        self._heard, self._sent, self._line, self._utc_ns = heard, sent, line, utc_ns
        self._config: RecordingConfig = line.recording
        self._cameras = {c.name: c.model_dump(mode="json") for c in line.cameras}
        self._status = StatusReport(decision, "recording", "recording", generation)
        self._windows = Windows(int(self._config.before_s * 1e9), int(self._config.after_s * 1e9))
        self._hold_ns = int(self._config.before_s * 1e9) + VERDICT_NS
        self._ring, self._folder = Ring(), RecordingFolder(self._config, utc_ns)
        self._file: McapWriter | None = None
        self._failure = ""
        self._retry_ns = self._flush_ns = self._told_until_ns = self._utc_offset_ns = 0
        self._due_ns: dict[str, int] = {}
        """When the next picture of a camera is to be kept anyway."""
        self._left_out: dict[str, int] = {}
        """Of each camera since its last picture that was kept."""
        self._misses = Misses()
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Nothing that could be done now."""
        return 0

    @property
    def counters(self) -> dict[str, int]:
        """Figures for the screen."""
        refused = Counter(self._sent.refused.counters) + Counter(self._heard.refused.counters)
        return {"not_recorded": self._misses.total, **refused}

    def step(self, now_ns: int) -> bool:
        """Take in what has come, write what is wanted, let go what is not."""
        moved = self._take(now_ns)
        self._folder.step(now_ns, self._file.path if self._file else None)
        moved |= self._settle(now_ns)
        self._finish_due(now_ns)
        self._tell(now_ns)
        return moved

    def close(self) -> None:
        """Write what was wanted of the rest, and end the file."""
        now_ns = time.monotonic_ns()
        while self._take(now_ns) or self._full:
            self._settle(now_ns)
        while self._settle(now_ns, last=True):
            pass
        self._end_file(now_ns)

    @property
    def _full(self) -> bool:
        return self._ring.size > self._config.memory_mb * 1e6

    def _take(self, now_ns: int) -> bool:
        """What has come; with the memory full no pictures: those that the disk is too slow for wait, or are missed."""
        taken = 0
        for message, payloads in () if self._full else portion(self._sent, TAKEN):
            taken += 1
            if isinstance(message, Frame) and message.camera in self._cameras:
                self._misses.see(message, now_ns)
                self._ring.put(Entry(min(message.t_mono_ns, now_ns), message, payloads[0]))
            elif isinstance(message, Motion):
                self._ring.put(Entry(min(message.t_mono_ns, now_ns), message))
            else:
                self._sent.refused.count(message.sender)
            if self._full:
                break
        for message, _ in portion(self._heard):
            taken += 1
            if not isinstance(message, HEARD):
                self._heard.refused.count(message.sender)
                continue
            if isinstance(message, Verdict):
                self._misses.judge(message)
                if message.counts_as_defect:
                    self._windows.want(min(message.t_mono_ns, now_ns) - int(max(0, message.latency_ms or 0) * 1e6))
            self._ring.put(Entry(min(message.t_mono_ns, now_ns), message))
        self.handled += taken
        return taken > 0

    def _settle(self, now_ns: int, last: bool = False) -> bool:
        """See to the oldest, as far as it is known whether they are wanted; `last`: nothing more is coming."""
        room = STEP_BYTES
        while self._ring and room > 0:
            entry = self._ring.oldest
            wanted = self._wanted(entry)
            if not (wanted or self._full or last or now_ns - entry.t_ns > self._hold_ns):
                break
            self._ring.pop()
            room -= entry.size
            self._windows.forget(entry.t_ns - VERDICT_NS)
            if wanted:
                self._write(entry, now_ns)
            elif isinstance(entry.message, Frame):
                camera = entry.message.camera
                self._left_out[camera] = self._left_out.get(camera, 0) + 1
        if not self._ring:
            self._windows.forget(now_ns - self._hold_ns)
        return room < STEP_BYTES

    def _wanted(self, entry: Entry) -> bool:
        if self._windows.wants(entry.t_ns):
            return True
        if self._config.rate is None:
            return False
        return not isinstance(entry.message, Frame) or entry.t_ns >= self._due_ns.get(entry.message.camera, 0)

    def _write(self, entry: Entry, now_ns: int) -> None:
        frame = entry.message if isinstance(entry.message, Frame) else None
        if now_ns < self._retry_ns or self._folder.shortage:
            self._misses.unwritten += frame is not None
            return
        try:
            if self._file is None:
                self._file = self._begin_file(now_ns)
            t_utc_ns = entry.t_ns + self._utc_offset_ns
            if frame is None:
                self._file.write(entry.message, t_utc_ns)
                return
            self._file.write_frame(frame, entry.payload, self._left_out.pop(frame.camera, 0), t_utc_ns)
        except OSError as e:
            self._misses.unwritten += frame is not None and self._file is None  # else it is at risk in the file
            self._fail(e, now_ns)
            return
        due_ns = self._due_ns.get(frame.camera, 0)
        if self._config.rate is not None and entry.t_ns >= due_ns:
            interval_ns = int(1e9 / self._config.rate)
            self._due_ns[frame.camera] = max(due_ns, entry.t_ns - interval_ns) + interval_ns

    def _begin_file(self, now_ns: int) -> McapWriter:
        self._utc_offset_ns = self._utc_ns() - now_ns  # one for a file: its times stay in order
        path = self._folder.new_path()
        self._folder.tidy(None)
        return McapWriter(path, self._line.line.name, self._line.sha, self._cameras)

    def _finish_due(self, now_ns: int) -> None:
        """End the chunk each second, and the file when it is long enough, all of its defect is in it, or the disk fills."""
        if self._file is None:
            return
        over = self._config.rate is None and not self._windows
        if over or self._folder.shortage or self._file.size >= self._config.file_mb * 1e6:
            self._end_file(now_ns)
        elif now_ns >= self._flush_ns:
            self._flush_ns = now_ns + FLUSH_NS
            try:
                self._file.flush()
                self._failure = ""
            except OSError as e:
                self._fail(e, now_ns)

    def _end_file(self, now_ns: int) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
            self._file, self._failure = None, ""
        except OSError as e:
            self._fail(e, now_ns)

    def _fail(self, error: OSError, now_ns: int) -> None:
        self._failure = f"recording stopped ({error.strerror})"
        self._retry_ns = now_ns + RETRY_NS
        if self._file is not None:
            self._misses.unwritten += self._file.frames_at_risk
            with suppress(OSError):
                self._file.abandon()
            self._file = None

    def _tell(self, now_ns: int) -> None:
        if self._misses.grown(now_ns):
            self._told_until_ns = now_ns + TOLD_NS
        why = self._failure or (self._folder.shortage and f"recording stopped ({self._folder.shortage})")
        words = f"{why}, {self._config.folder}, make room or mend its disk" if why else ""
        if not words and now_ns < self._told_until_ns:
            words = f"{self._misses.total} pictures not recorded, {self._config.folder}, give a faster disk or record less"
        self.state = StageState.DEGRADED if words else StageState.READY
        self._status.tell(now_ns, self.state, words)


class Misses:
    """How many pictures were never recorded that should have been: not taken in time, or refused by the disk.

    A frame's number tells how many before it did not come, and its verdict how many of these the camera itself had lost.
    """

    def __init__(self) -> None:
        self.unwritten = 0
        self._gone = self._lost = self._told = 0
        self._seen: dict[str, dict[str, tuple[int, int]]] = {}
        """The first and the last number of each camera's latest starts: verdicts of the one before are still to come."""
        self._gap_ns = 0

    @property
    def total(self) -> int:
        """So far, as it was last told."""
        return self._told

    def see(self, frame: Frame, now_ns: int) -> None:
        """A frame came."""
        starts = self._seen.setdefault(frame.camera, {})
        first, last = starts.get(frame.boot_id, (frame.seq, frame.seq))
        if (gone := frame.seq - last - 1) > 0:
            self._gone += gone
            self._gap_ns = now_ns
        starts[frame.boot_id] = first, frame.seq
        if len(starts) > STARTS:
            del starts[next(iter(starts))]

    def judge(self, verdict: Verdict) -> None:
        """A verdict came."""
        start = self._seen.get(verdict.camera, {}).get(verdict.boot_id or "")
        if verdict.seq is not None and start is not None and verdict.seq > start[0]:
            self._lost += verdict.lost

    def grown(self, now_ns: int) -> bool:
        """Whether there are more than before; while it may still turn out that a camera lost them, those do not count."""
        settled = now_ns - self._gap_ns >= SETTLE_NS
        total = self.unwritten + max(0, self._gone - self._lost) if settled else max(self._told, self.unwritten)
        grown, self._told = total > self._told, max(total, self._told)
        return grown


def make_recording(heard: Inbox, sent: Inbox, decision: Outbox, line: LineConfig, generation: int) -> RecordingStage:
    """The recording of a line that has a `recording:` section."""
    return RecordingStage(heard, sent, decision, line, generation, time.time_ns)
