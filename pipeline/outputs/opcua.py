"""The line as a machine-vision system of OPC 40100-1, in a process of its own: what is published moves the server's nodes."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.config.outputs import OpcUaConfig
from pipeline.devices import DeviceLost
from pipeline.link.protocol import Inbox, Outbox, portion
from pipeline.link.status import StatusReport
from pipeline.messages.cloth import Roll
from pipeline.messages.line import STALE_NS, Heartbeat, LineState, Totals
from pipeline.messages.message import Message
from pipeline.messages.states import Result, StageState
from pipeline.messages.verdicts import Verdict
from pipeline.outputs import vision_model as model
from pipeline.outputs.notices import Teller
from pipeline.outputs.passing import MAX_WAIT_NS, SETTLE_NS, Passing
from pipeline.outputs.vision_server import Struct, VisionServer

TURN_NS, ALONE_NS = 8_000_000, 50_000_000
"""From turn to turn while there are clients, and while there are none."""
LOOK_NS = 60_000_000_000
MESSAGES_PER_STEP = 256
JOBS = 8


def make(config: OpcUaConfig, heard: Inbox, decision: Outbox, generation: int, line: LineConfig) -> OpcUaOutput:
    """The stage of one server; InputError where its address is taken, or its certificates cannot be read.

    AbsentError where the machine does not have its address now.
    """
    return OpcUaOutput(heard, decision, VisionServer(config, line), config.name, generation)


def trials(config: OpcUaConfig) -> Iterator[tuple[str, str]]:
    """Serves for a moment."""
    try:
        server = VisionServer(config, LineConfig())
    except InputError as e:
        raise DeviceLost(str(e)) from None
    try:
        yield "server", f"opc.tcp://{config.bind}, served"
    finally:
        server.close()


@dataclass
class Job:
    """A roll, and what was heard of it."""

    roll: Roll | None
    """Null: its name is yet to be heard."""
    missed: int | None
    """How many messages had been missed when it began; null: this process was started in the middle of it."""
    counts: dict[str, int] = field(default_factory=lambda: {"defects": 0, "not_inspected": 0})
    end: Roll | None = None
    """The word that ended it."""
    until_ns: int = 0


class OpcUaOutput:
    """The stage: hears the publisher and keeps the server's nodes; nobody waits for it, and it tells no command to decision.

    A defect is a partial result of the job. The final one comes when every camera has judged cloth beyond the roll's end, or
    a minute after that was told. A certificate of its own out of date is DEGRADED.
    """

    idle_ms = 8

    def __init__(
        self,
        heard: Inbox,
        decision: Outbox,
        server: VisionServer,
        name: str,
        generation: int,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._heard, self._server, self._utc = heard, server, utc
        self._status = StatusReport(decision, "output", name, generation)
        self._teller, self._missed = Teller(from_the_start=generation == 0), 0
        self._simulated = not server.line.cameras or any(c.source != "basler" for c in server.line.cameras)
        self._jobs: OrderedDict[str, str] = OrderedDict()
        """By a roll's name, the job of its cloth."""
        self._job = Job(None, 0 if generation == 0 else None)
        self._ended: deque[Job] = deque()
        """Not every camera has got to their ends yet."""
        self._passing = Passing(c.name for c in server.line.cameras)
        self._beat_ns: int | None = None
        self._detail = ""
        self._look_ns = self._turn_ns = 0
        self._trouble = ""
        self.state = StageState.READY
        self.handled = self.waiting = self.results = 0
        self._show_silence()

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen."""
        return {
            "clients": self._server.clients, "results": self.results, "refused_clients": self._server.refused,
            **self._heard.refused.counters,
        }  # fmt: skip

    def step(self, now_ns: int) -> bool:
        """Hear what is published, then give the clients their turn."""
        moved, before = False, self.results
        for message, _ in portion(self._heard, MESSAGES_PER_STEP):
            self._hear(message, now_ns)
            self.handled += 1
            moved = True
        while self._ended and self._is_over(self._ended[0], now_ns):
            self._finish(self._ended.popleft())
        if self._beat_ns is not None and now_ns - self._beat_ns > STALE_NS:
            self._beat_ns = None
            self._server.stand(model.SILENT)
            self._show_silence()
        if self.results != before or now_ns >= self._turn_ns:
            self._server.turn()
            self._turn_ns = now_ns + (TURN_NS if self._server.clients else ALONE_NS)
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_NS
            self._trouble = self._server.expired(self._utc())
        self._status.tell(now_ns, StageState.DEGRADED if self._trouble else StageState.READY, self._trouble)
        return moved

    def close(self) -> None:
        """The line is gone, and so is the server."""
        self._server.close()

    def _hear(self, message: Message, now_ns: int) -> None:
        for _ in self._teller.hear(message):
            pass
        self._missed += self._teller.missed().total()
        self._server.show(MissedMessages=self._missed)
        match message:
            case Heartbeat():
                self._beat_ns = now_ns
                self._server.show(
                    Heartbeat=message.number, InspectionOk=message.inspection_ok, LineState=message.state.value,
                    Detail=self._detail,
                )  # fmt: skip
                self._server.stand(model.STANDING[message.state])
            case LineState():
                self._detail = message.detail
                self._server.show(LineState=message.state.value, InspectionOk=message.inspection_ok, Detail=message.detail)
                self._server.stand(model.STANDING[message.state])
            case Totals():
                self._show(message)
            case Roll():
                self._begin(message, now_ns)
            case Verdict():
                self._passing.see(message)
                if message.result is not Result.PASS:
                    self._result(message)

    def _show_silence(self) -> None:
        self._server.show(InspectionOk=False, LineState="SILENT", Detail="the line's decision says nothing")

    def _show(self, t: Totals) -> None:
        self._server.show(
            Verdicts=t.verdicts, Defects=t.defect, NotInspected=t.not_inspected, Rejects=t.rejects,
            PositionMillimeters=t.position_mm or 0.0, SpeedMillimetersPerSecond=t.speed_mm_s or 0.0,
            InspectedMeters=t.inspected_m or 0.0, NotInspectedMeters=t.not_inspected_m or 0.0,
        )  # fmt: skip

    def _begin(self, roll: Roll, now_ns: int) -> None:
        """The roll before waits for its last cloth, and the job of this one begins."""
        job, before = self._job, self._job.roll
        if before is None:
            job.roll = roll
        else:
            if (before.generation, before.number) == (roll.generation, roll.number):
                return
            if before.roll_id == roll.roll_id and before.start_mm == roll.start_mm:
                job.roll = roll  # told again after a restart
                return
            if before.roll_id:
                job.end, job.until_ns = roll, now_ns + MAX_WAIT_NS
                self._ended.append(job)
                self._server.event(model.READY, f"roll {before.roll_id} has ended", JobId=self._job_id(before.roll_id))
            self._job = Job(roll, self._missed)
        self._jobs[roll.roll_id] = f"{roll.roll_id}#{roll.generation}.{roll.number}"
        while len(self._jobs) > JOBS:
            self._jobs.popitem(last=False)
        self._server.show(RollId=roll.roll_id, Style=roll.style)
        if roll.roll_id:
            self._server.event(model.RECIPE_PREPARED, f"style {roll.style}", InternalId=_recipe(roll.style, ""))
            self._server.event(model.JOB_STARTED, f"roll {roll.roll_id}", JobId=self._job_id(roll.roll_id))

    def _is_over(self, job: Job, now_ns: int) -> bool:
        if self._is_passed(job):
            job.until_ns = min(job.until_ns, now_ns + SETTLE_NS)
        return now_ns >= job.until_ns

    def _is_passed(self, job: Job) -> bool:
        return job.end is not None and job.end.start_mm is not None and self._passing.has_passed(job.end.start_mm)

    def _finish(self, job: Job) -> None:
        """Its final result."""
        roll, end = job.roll, job.end
        assert roll is not None and end is not None
        complete = job.missed == self._missed and self._is_passed(job)
        counts = json.dumps({**job.counts, "complete": complete, "end_mm": end.start_mm, "start_mm": roll.start_mm})
        self._ready(roll.roll_id, roll.style, f"roll-{roll.generation}.{roll.number}", False, counts, end.t_utc_ns)

    def _count(self, verdict: Verdict, what: str) -> None:
        """For the latest roll of its name; none where that has had its final result."""
        for job in (self._job, *reversed(self._ended)):
            if job.roll is None or job.roll.roll_id == verdict.roll_id:
                job.counts[what] += 1
                return

    def _result(self, verdict: Verdict) -> None:
        if verdict.result is Result.NOT_INSPECTED:
            self._count(verdict, "not_inspected")
        elif verdict.counts_as_defect:
            self._count(verdict, "defects")
            body = verdict.model_dump_json(include={
                "camera", "seq", "score", "lanes", "regions", "start_mm", "end_mm", "number", "generation", "roll_id", "event",
            })  # fmt: skip
            number = f"{verdict.generation}.{verdict.number}"
            self._ready(verdict.roll_id, verdict.style, number, True, body, verdict.t_utc_ns, verdict)

    def _ready(
        self, roll_id: str, style: str, result_id: str, partial: bool, body: str, utc_ns: int, verdict: Verdict | None = None
    ) -> None:
        self.results += 1
        line = self._server.line
        self._server.event(
            model.RESULT_READY, f"{'defect' if partial else 'roll'} {result_id}",
            ResultId=("ResultIdDataType", {"Id": result_id}), JobId=self._job_id(roll_id), IsPartial=partial,
            IsSimulated=self._simulated, ResultState=model.COMPLETED, ResultContent=[body],
            PartId=("PartIdDataType", {"Id": roll_id}), MeasId=("MeasIdDataType", {"Id": verdict.camera if verdict else ""}),
            InternalRecipeId=_recipe(style, verdict.card_sha if verdict else ""),
            InternalConfigurationId=("ConfigurationIdDataType", {"Id": line.line.name, "Version": line.sha}),
            CreationTime=datetime.fromtimestamp(utc_ns / 1e9, UTC),
        )  # fmt: skip

    def _job_id(self, roll_id: str) -> Struct:
        return "JobIdDataType", {"Id": self._jobs.get(roll_id, roll_id)}


def _recipe(style: str, card_sha: str) -> Struct:
    """The style; its version is the card that judged."""
    return "RecipeIdInternalDataType", {"Id": style or "default", **({"Version": card_sha} if card_sha else {})}
