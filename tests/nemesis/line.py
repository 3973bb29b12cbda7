"""One line of real stages in one process, stepped and supervised by the schedule instead of by an operating system."""

from __future__ import annotations

import contextlib
import random
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgpack
import numpy as np

from calibration.false_alarms import Budget
from calibration.good import GoodFrame
from calibration.threshold import Model, ThresholdCard, calibrate
from configs.consumer import Gate
from glass_core.engines.canary import EngineFault
from pipeline.cameras.protocol import CameraLost
from pipeline.config.line import LineConfig
from pipeline.decision.handover import Heard
from pipeline.ledger.store import LedgerFull
from pipeline.link.protocol import IDLE_MS
from pipeline.link.stage import Stage
from pipeline.messages import commands
from pipeline.messages.message import Message
from pipeline.messages.motion import EncoderCount
from pipeline.messages.stages import Progress, Status
from pipeline.messages.states import EventKind, StageState
from pipeline.supervision import builders
from pipeline.supervision.process import Reporter
from pipeline.supervision.spec import Spec
from pipeline.telemetry import Refusals
from tests.nemesis.history import History
from tests.nemesis.links import Links, take
from tests.nemesis.plant import BEGAN_NS, COUNTS_PER_MM, ROWS, WIDTH, Plant, SigningCamera, StandInEngine
from tests.nemesis.schedule import MS, S, Schedule

TICK_NS = 10 * MS
COUNT_EVERY_NS = 20 * MS
PROMISED_S = 5.0
"""From the end of the last fault until the line runs again, the model's load not counted in."""
BACKOFF_S = 0.25
STEPS = 40
"""Of one stage in one tick, while it says that there is more to do."""
DECISION_TAKES_ALL = False
"""The supervisor has everybody begin anew when decision has died; false where those that live go on."""
SAID_AGAIN_NS = S
"""Who is down is told again so often until its successor is there."""


@dataclass
class Process:
    """What stands for one child of the supervisor."""

    role: str
    name: str
    generation: int = -1
    stage: Any = None
    report: Reporter | None = None
    up_ns: int | None = BEGAN_NS
    """When it will be ready; null while it lives."""
    wakes_ns: int = 0
    """Busy, or asleep unless something comes, until then."""
    busy: bool = False
    failures: int = 0
    steps: int = 0
    down: Status | None = None
    """What decision is told of one that is not there."""
    told_ns: int = 0

    @property
    def inbox(self) -> str:
        """Of that name."""
        return f"grabber-{self.name}" if self.role == "grabber" else self.name


def make_card(folder: Path) -> ThresholdCard:
    """A model's folder with nothing but a card: the threshold is 0.5."""
    model = Model(
        weights_sha="weights", engine_sha="engine", backbone="test", engine="test", score_definition=StandInEngine.definition
    )
    made = calibrate(
        [GoodFrame(np.array([0.1 + 0.3 * n / 2000])) for n in range(2000)], model, Budget(per_1000_frames=20), "test"
    )
    body = made.model_dump(exclude={"sha", "created", "schema_version"})
    card = ThresholdCard.sealed(**{**body, "thresholds": (0.5,), "good": {}})
    folder.mkdir()
    card.save(folder)
    return card


def _source(kind: str) -> dict[str, object]:
    """A camera that times itself is one whose silence is a fault; all others wait for the line or the cloth."""
    if kind == "self":
        return {"source": "basler", "serial": "1", "stall_ms": 3000.0}
    return {"source": "weave", "width_px": WIDTH, "frame_rows": ROWS}


def make_config(schedule: Schedule, folder: Path, model: Path) -> LineConfig:
    """The line's configuration, as a file would have it."""
    cameras = [
        {
            **_source(c.kind), "name": c.name, "y_offset_mm": c.y_offset_mm,
            "mm_per_px_x": c.mm_per_px, "mm_per_px_y": c.mm_per_px, "rows": ROWS if c.kind == "rows" else None,
            "rate": 1000 / c.period_ms if c.kind == "rate" else None, "actuator_mm": c.actuator_mm,
        }
        for c in schedule.cameras
    ]  # fmt: skip
    motion = {"source": "message", "counts_per_mm": COUNTS_PER_MM} if schedule.motion else None
    return LineConfig.model_validate({
        "line": {"name": "nemesis", "inspection_ok": {"tolerate_not_inspected_mm": schedule.tolerate_mm}},
        "model": model, "motion": motion, "cameras": cameras, "decision": {"budget_ms": schedule.budget_ms},
        "ledger": {"path": folder / "ledger.sqlite"},
    })  # fmt: skip


def _handles() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _spent_ns(stage: Any) -> int:
    """The time that a worker's engines took; 0 for all others."""
    return sum(m.engine.spent_ns for m in getattr(stage, "_models", {}).values())


class Line:
    """Runs one schedule; `say` hears what happens."""

    def __init__(self, schedule: Schedule, folder: Path, model: Path, card_sha: str, say: Any = lambda words: None) -> None:
        self._schedule, self._card_sha = schedule, card_sha
        self._config = make_config(schedule, folder, model)
        self._rng = random.Random(f"line {schedule.seed}")
        self._plant = Plant(schedule)
        self._links = Links(self._plant, self._rng)
        self._say = lambda words: say(f"{self._plant.t_s:7.3f} s  {words}")
        self._folder = folder
        self._processes = [Process(r, n) for r, row in builders.ROLES.items() for n in row.names(self._config)]
        self._heard, self._bypass = Heard(), False
        self._untold: deque[Message] = deque(maxlen=64)
        self._supervisor = self._links.inbox("supervisor")
        self._decision = self._links.outbox("decision")
        self._begun: set[int] = set()
        self._reset_ns = 0
        self._taken_back_s = 0.0
        self._gate = Gate(
            tuple(c.name for c in schedule.cameras), verdict_ms=1500.0, weights_sha="weights", engine_sha="engine"
        )
        self._gated: list[tuple[int, bool]] = []
        self._consumed: list[tuple[int, dict[str, Any]]] = []
        self._recovered_ns: int | None = None
        self._killed_decisions: list[int] = []

    def run(self) -> History:
        """The whole schedule, then peace until the line has recovered or failed to."""
        before = _handles()
        limit_s = self._schedule.last_fault_s + PROMISED_S + self._schedule.load_s + 0.5
        clocks = SimpleNamespace(time_ns=self._plant.wall_ns, monotonic_ns=lambda: self._plant.now_ns)
        with (
            patch("pipeline.cameras.make_camera", lambda config: SigningCamera(self._plant.devices[config.name], self._plant)),
            patch("pipeline.supervision.loaded_models.load_engine", lambda *args, **kwargs: StandInEngine(self._plant)),
            patch.object(builders, "time", clocks),
        ):
            while self._plant.t_s < limit_s and not self._at_peace():
                self._tick()
            for process in self._processes[::-1]:  # sources first, then what is in hand is decided and recorded
                self._end(process)
        history = self._history()
        history.read(self._folder)
        history.handles = before, _handles()
        return history

    def _tick(self) -> None:
        plant = self._plant
        plant.advance(TICK_NS)
        self._begin_faults()
        count = plant.count() if self._schedule.motion and plant.now_ns % COUNT_EVERY_NS == 0 else None
        if count is not None and self._links.pipe("motion").open:
            self._links.send("motion", EncoderCount(count=count, t_mono_ns=plant.now_ns))
        self._supervise()
        for process in self._rng.sample(self._processes, len(self._processes)):
            if process.stage is not None and (plant.now_ns >= process.wakes_ns or self._awoken(process)):
                self._step(process)
        while parcel := take(self._links.pipe("consumer"), plant.now_ns):
            header = bytes(parcel.parts[0]) if parcel.parts else b""
            with contextlib.suppress(Exception):
                self._consumed.append((plant.now_ns, msgpack.unpackb(header)))
            self._gate.hear([b"", header], plant.now_ns)
        self._gated.append((plant.now_ns, self._gate.on(plant.now_ns)))

    def _awoken(self, process: Process) -> bool:
        """Whether something has come for one that sleeps."""
        if process.busy:
            return False
        pipe = self._links.pipe(process.inbox)
        return any(parcel.due_ns <= self._plant.now_ns for parcel in pipe.parcels)

    def _begin_faults(self) -> None:
        for i, fault in enumerate(self._schedule.faults):
            if i in self._begun or self._plant.t_s < fault.start_s:
                continue
            self._begun.add(i)
            self._say(f"FAULT {fault}")
            if fault.kind == "kill":
                self._kill(next(p for p in self._processes if p.name == fault.target), "killed")
            elif fault.kind == "clock":
                self._plant.wall_jump_ns += int(fault.share * S)
            if fault.target == "people":
                self._untold.append(self._word(fault.kind))
            if fault.kind == "bypass":
                self._taken_back_s = max(self._taken_back_s, fault.end_s)
        if self._taken_back_s and self._plant.t_s >= self._taken_back_s:
            self._taken_back_s = 0.0
            self._untold.append(commands.Bypass(on=False))
        overdue = self._plant.t_s >= self._schedule.last_fault_s and self._plant.now_ns >= self._reset_ns
        if overdue and self._state().get("state") == "FAULT":
            self._reset_ns = self._plant.now_ns + S // 2
            self._untold.append(commands.Reset())

    def _word(self, kind: str) -> Message:
        match kind:
            case "bypass":
                return commands.Bypass(on=True)
            case "roll":
                return commands.RollStart(roll_id="R-2")
            case "acknowledge":
                return commands.Acknowledge()
            case "mark":
                return commands.MarkEvent(kind=EventKind.SEAM, length_mm=50.0)
        return commands.Reset()

    def _supervise(self) -> None:
        """As the supervisor does: hear, tell, start what is due."""
        while received := self._supervisor.receive():
            if isinstance(received[0], Progress):
                progress = received[0]
                if any((p.name, p.generation) == (progress.name, progress.generation) for p in self._processes):
                    self._heard.hear(progress)
        for message in self._links.supervisor:
            self._heard.hear(message)
        self._links.supervisor.clear()
        while self._untold and self._decision.send(self._untold[0]):
            word = self._untold.popleft()
            self._bypass = word.on if isinstance(word, commands.Bypass) else self._bypass
            self._say(f"told {word!r}")
        for process in self._processes:
            self._tell_down(process)
            if process.up_ns is not None and self._plant.now_ns >= process.up_ns:
                self._start(process)

    def _start(self, process: Process) -> None:
        spec = Spec(
            role=process.role, name=process.name, generation=process.generation + 1, folder=self._folder,
            config=self._config, before=self._heard.handover(self._bypass),
        )  # fmt: skip
        process.generation = spec.generation
        try:
            process.stage = builders.build(spec, self._links)
        except CameraLost as e:
            self._fail(process, str(e))
            return
        process.report = Reporter(process.stage, spec, self._links.outbox("supervisor"), Refusals())
        process.up_ns = process.down = None
        process.told_ns = 0
        self._say(f"{process.name} {process.generation} is up")
        if process.role == "recorder":
            self._let_disk_fill(process.stage)
        if process.role == "worker":
            stage = process.stage
            stage._clock_ns = lambda: self._plant.now_ns + _spent_ns(stage)

    def _let_disk_fill(self, recorder: Any) -> None:
        commit = recorder._ledger.commit

        def full_or_not() -> list[Message]:
            if self._schedule.active(self._plant.t_s, "recorder", "disk"):
                raise LedgerFull("ledger not writable (database or disk is full), make room on the disk")
            return commit()

        recorder._ledger.commit = full_or_not

    def _step(self, process: Process) -> None:
        if self._schedule.active(self._plant.t_s, process.name, "pause"):
            return
        stage: Stage = process.stage
        now_ns, process.busy = self._plant.now_ns, False
        try:
            for _ in range(STEPS):
                spent_ns = _spent_ns(stage)
                moved = stage.step(now_ns)
                process.steps += 1
                if (busy_ns := _spent_ns(stage) - spent_ns) > 0:
                    self._take_time(process, busy_ns)
                    break
                if not moved:
                    process.wakes_ns = now_ns + getattr(stage, "idle_ms", IDLE_MS) * MS
                    break
        except (EngineFault, CameraLost) as e:
            self._kill(process, str(e))
            return
        assert process.report is not None
        process.report(now_ns, process.steps)

    def _take_time(self, worker: Process, busy_ns: int) -> None:
        """A batch was scored: its scores leave when the engine is done, and until then the worker does nothing."""
        worker.wakes_ns, worker.busy = self._plant.now_ns + busy_ns, True
        for parcel in self._links.pipe("decision").parcels:
            if b"ScoreMap" in bytes(parcel.parts[0] if parcel.parts else b"")[:24] and parcel.due_ns == self._plant.now_ns:
                parcel.due_ns += busy_ns

    def _kill(self, process: Process, why: str) -> None:
        """It is gone without a last word; what it held is lost."""
        if process.stage is None:
            return
        if process.role == "decision":
            self._killed_decisions.append(process.generation)
        if process.role == "recorder":  # the kernel would close its files; nothing is committed
            process.stage._ledger.let_go()
            process.stage._lines.close()
        self._gone(process)
        self._fail(process, why)
        if process.role == "decision" and DECISION_TAKES_ALL:
            for other in self._processes:
                if other.stage is not None:
                    self._end(other)
                    other.up_ns = self._plant.now_ns + self._load_ns(other)

    def _fail(self, process: Process, why: str) -> None:
        process.failures += 1
        backoff_s = min(BACKOFF_S * 2 ** (process.failures - 1), 8.0 if process.role != "grabber" else 1.0)
        process.up_ns = self._plant.now_ns + int(backoff_s * S) + self._load_ns(process)
        self._say(f"{process.name} {process.generation} died: {why}")
        process.down = Status(
            role=process.role, name=process.name, generation=process.generation, state=StageState.DOWN, detail=why
        )
        self._tell_down(process)

    def _tell_down(self, process: Process) -> None:
        if process.down is not None and self._plant.now_ns >= process.told_ns and self._decision.send(process.down):
            process.told_ns = self._plant.now_ns + SAID_AGAIN_NS

    def _load_ns(self, process: Process) -> int:
        return int((self._schedule.load_s if process.role == "worker" else 0.1) * S)

    def _end(self, process: Process) -> None:
        """It is asked to end, and does."""
        if process.stage is not None:
            process.stage.close()
            self._gone(process)

    def _gone(self, process: Process) -> None:
        process.stage = process.report = None
        process.wakes_ns, process.busy = 0, False
        self._links.die(process.inbox)
        if process.role == "grabber":
            self._plant.devices[process.name].held = False

    def _state(self) -> dict[str, Any]:
        return next((m for _, m in reversed(self._links.told) if m["t"] in ("LineState", "Heartbeat")), {})

    def _at_peace(self) -> bool:
        """Running, and every camera's cloth passes again; then a little longer, so that the record is whole."""
        if self._recovered_ns is None:
            self._recovered_ns = self._recovered()
        return self._recovered_ns is not None and self._plant.now_ns >= self._recovered_ns + S // 2

    def _recovered(self) -> int | None:
        peace_ns = BEGAN_NS + int(self._schedule.last_fault_s * S)
        if self._plant.now_ns < peace_ns or self._state().get("state") != "RUNNING":
            return None
        told = [m for t_ns, m in self._links.told if t_ns >= peace_ns and m["t"] == "Verdict" and m["result"] == "PASS"]
        return self._plant.now_ns if {m["camera"] for m in told} == {c.name for c in self._schedule.cameras} else None

    def _history(self) -> History:
        s = self._schedule
        cameras = {
            c.name: {
                "kind": c.kind, "period_ns": int(c.period_ms * MS), "frame_mm": c.frame_mm, "y_offset_mm": c.y_offset_mm,
                "actuator_mm": c.actuator_mm,
            }
            for c in s.cameras
        }  # fmt: skip
        facts = {
            "cameras": cameras, "motion": s.motion, "budget_ms": s.budget_ms, "load_s": s.load_s, "began_ns": BEGAN_NS,
            "speeds": [(BEGAN_NS + int(t_s * S), v) for t_s, v in s.speeds], "weights_sha": "weights", "engine_sha": "engine",
            "card_sha": self._card_sha, "peace_ns": BEGAN_NS + int(s.last_fault_s * S), "ended_ns": self._plant.now_ns,
            "window_ns": int(self._gate.window_ms * MS), "verdict_ns": int(self._gate.verdict_ms * MS),
            "killed_decisions": self._killed_decisions, "recorder_failed": any(f.target == "recorder" for f in s.faults),
            "capacity": max(len(p.parcels) for p in self._links.pipes.values()),
        }  # fmt: skip
        exposures = [entry for device in self._plant.devices.values() for entry in device.log]
        return History(
            s.seed, facts, exposures, self._links.announced, self._links.motions, self._links.told, self._gated, self._consumed
        )
