"""Keeps the record: ledger and verdicts.jsonl by group commit, pictures of defects when nothing else waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.ledger.album import Album
from pipeline.ledger.facts import run_facts
from pipeline.ledger.reading import read_runs
from pipeline.ledger.retention import Retention, put_away
from pipeline.ledger.room import Room
from pipeline.ledger.store import Ledger, LedgerFull
from pipeline.ledger.tables import ENDED
from pipeline.ledger.verdict_lines import VerdictLines
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.frames import CameraFacts
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.passages import Step
from pipeline.messages.record import MAX_UNCOMMITTED, Committed, RecordKey, record_key
from pipeline.messages.states import Result, StageState
from pipeline.messages.verdicts import Verdict
from pipeline.telemetry import Trail

RETRY_NS = 1_000_000_000
TOLD_NS = 600_000_000_000
LAST_WORDS = 4096
"""Taken in at the end: more than can be on its way, and nobody keeps a line from ending by sending on."""


class Recorder:
    """The stage that writes to disk, so that no other has to.

    Takes Verdict (with cells and pixels above the recording floor), LineState, Reject, Action, Roll, SpanEvent, Totals and
    CameraFacts, and tells decision what is committed. A failed write is a FAULT told to decision; the rows are kept, tried
    again each second, and READY follows when all are safe. A ledger that was moved aside, and a disk that fills, are told as
    DEGRADED. With MAX_UNCOMMITTED rows in hand nothing more is taken in. Pictures are written when nothing else waits, or when
    too many of them do. A run whose record is whole as it closes has ended in order: the ledger takes that with its last rows.
    """

    idle_ms = 50  # each waking takes time from the engine, and a commit may be that much later

    def __init__(
        self,
        inbox: Inbox,
        to_decision: Outbox,
        ledger: Ledger,
        folder: Path,
        generation: int = 0,
        crops_bytes: int = 2_000_000_000,
        retention: Retention | None = None,
    ) -> None:
        self._inbox, self._to_decision, self._ledger, self._folder = inbox, to_decision, ledger, folder
        self._lines = VerdictLines(folder, ledger.run_id)
        self._lines.catch_up(ledger)
        self._album = Album(folder, ledger.run_id, crops_bytes)
        self._unsafe: list[RecordKey] = []
        self._safe: deque[Committed] = deque()
        self._failure = ""
        self._room, self._retention = Room(folder), retention
        self._aside_until_ns: int | None = None
        self._reached, self._counted = (0, 0), (min(0, -generation), 0)
        """Up to where there are verdicts, and last totals that count them; those of the recorder before are not known."""
        self._steps_well = True
        """Its last step came to its end: one that fails is closed as well, in the middle of the run."""
        self._status = StatusReport(to_decision, "recorder", "recorder", generation)
        self._retry_ns = 0
        self.trail = Trail()
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Rows and pictures in hand that could be written now; rows that the disk refuses are not being neglected."""
        return 0 if self._failure else self._ledger.pending + len(self._album)

    @property
    def counters(self) -> dict[str, int]:
        """Figures for the screen."""
        return {
            "committed": self._ledger.committed, "pending": self._ledger.pending, "crops_left_out": self._album.left_out,
            **self._inbox.refused.counters,
        }  # fmt: skip

    def step(self, now_ns: int) -> bool:
        """Take one message, or else write one picture; commit when due. True if it did something."""
        self._steps_well = False
        received = None if self._album.full or self._ledger.pending >= MAX_UNCOMMITTED else self._inbox.receive()
        if received is not None:
            self._take(*received)
            self.handled += 1
        drew = received is None and (self._album.write_one() or (self._retention is not None and self._retention.step(now_ns)))
        due = now_ns >= self._retry_ns if self._failure else self._ledger.commit_due(now_ns)
        if due:
            self._commit()
            self._retry_ns = now_ns + RETRY_NS
        self._tell(now_ns)
        self._steps_well = True
        return received is not None or drew or due

    def close(self) -> None:
        """Take what was sent, make the rows safe, then the pictures; InputError where the disk still refuses rows."""
        try:
            for received in portion(self._inbox, LAST_WORDS):
                self._take(*received)
            if self._steps_well and self._counted >= self._reached:  # decision's last totals count all
                self._ledger.end()
            self._commit()
            while self._album.write_one():
                pass
        finally:
            self._lines.close()
            with suppress(LedgerFull):
                self._ledger.close()
        if self._failure:
            raise InputError(f"record incomplete: {self._failure}")

    def _take(self, message: Message, payloads: tuple[memoryview, ...]) -> None:
        if not isinstance(message, Verdict | LineState | Reject | Action | Totals | CameraFacts | Roll | SpanEvent | Alignment):
            self._inbox.refused.count(message.sender)
            return
        self._ledger.add(message, payloads)
        if (key := record_key(message)) is not None:
            self._unsafe.append(key)
        if isinstance(message, Totals) and message.last:
            self._counted = max(self._counted, (message.generation, message.verdicts))
        if isinstance(message, Verdict):
            self._reached = max(self._reached, (message.generation, message.number + 1))
            if message.result is Result.DEFECT:
                self._album.take(message, payloads)

    def _commit(self) -> None:
        try:
            for message in self._ledger.commit():
                if isinstance(message, Verdict):
                    self._lines.add(message)
                    if message.seq is not None:
                        self.trail.mark((message.camera, message.boot_id, message.seq), Step.RECORDED)
            self._lines.flush()
        except OSError as e:
            # LedgerFull carries its own line; other errors of the system carry only their cause.
            journal = f"verdicts.jsonl not writable ({e.strerror}), {self._folder}, make room on the disk"
            self._failure = str(e) if e.strerror is None else journal
        else:
            self._failure = ""
            self._safe.extend(_ranges(self._unsafe))
            self._unsafe = []

    def _tell(self, now_ns: int) -> None:
        """Say what is committed, and READY, DEGRADED or FAULT."""
        while self._safe and self._to_decision.send(self._safe[0]):
            self._safe.popleft()
        warnings = "; ".join(filter(None, (self._aside(now_ns), self._room.warning(now_ns))))
        self.state = StageState.FAULT if self._failure else StageState.DEGRADED if warnings else StageState.READY
        self._status.tell(now_ns, self.state, self._failure or warnings)

    def _aside(self, now_ns: int) -> str:
        """What became of a damaged ledger, for some minutes: the record keeps it among the facts of the run."""
        if self._ledger.aside and self._aside_until_ns is None:
            self._aside_until_ns = now_ns + TOLD_NS
        return self._ledger.aside if now_ns < (self._aside_until_ns or 0) else ""


def _ranges(keys: list[RecordKey]) -> Iterator[Committed]:
    """The records as runs of numbers of one kind and generation."""
    run: list[RecordKey] = []
    for key in sorted(set(keys)):
        if run and key != (*run[-1][:2], run[-1][2] + 1):
            yield _committed(run)
            run = []
        run.append(key)
    if run:
        yield _committed(run)


def _committed(run: list[RecordKey]) -> Committed:
    kind, generation, first = run[0]
    return Committed(kind=kind, generation=generation, first=first, last=run[-1][2])


def make_recorder(
    inbox: Inbox, to_decision: Outbox, config: LineConfig, model: Path, generation: int, begun_by: int
) -> Recorder:
    """The recorder of a line, with the facts of the run written down first; InputError where it cannot write.

    A recorder that is started again in the run that process `begun_by` began goes on with it.
    """
    path = config.ledger.path
    run_id = None
    if generation == 0 and config.ledger.removes:
        put_away(path)
    if generation > 0 and path.is_file():
        with suppress(InputError):  # the ledger itself refuses the file, or moves it aside
            last, known = next(reversed(read_runs(path).items()), (None, {}))  # none: it was killed before its first row
            run_id = last if known.get("parent_pid") == begun_by else None
    ledger = Ledger(path, {"parent_pid": begun_by, ENDED: None, **run_facts(config, model)}, run_id)
    retention = Retention(ledger, config.ledger, time.time_ns) if config.ledger.removes else None
    return Recorder(inbox, to_decision, ledger, path.parent, generation, int(config.ledger.crops_mb * 1e6), retention)
