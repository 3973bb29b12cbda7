"""Scores frames: cuts them into tiles, batches tiles of all cameras, and puts the cells of each frame together again."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from glass_core.engines import Engine
from glass_core.engines.canary import EngineFault, check_scores
from glass_core.errors import InputError
from pipeline.link.protocol import PORTION, Inbox, Outbox
from pipeline.link.status import StatusReport
from pipeline.messages.domains import MAX_FAULT
from pipeline.messages.frames import NO_TIME, Frame, ScoreMap
from pipeline.messages.message import Message, Payload
from pipeline.messages.passages import Step
from pipeline.messages.states import StageState
from pipeline.messages.verdicts import check_lanes
from pipeline.telemetry import Gpu, Percentiles, Trail
from pipeline.worker.glimpses import Glimpse, Glimpses
from pipeline.worker.job import Job, Model
from pipeline.worker.overlap import Overlaps
from pipeline.worker.schedule import Schedule

CANARY_INTERVAL_NS = 10_000_000_000
MAX_WAITING = 16
"""Frames with a deadline that are taken in at most, and more where they are too small to fill a batch."""


class Worker:
    """The engines' stage; a batch closes at `max_batch` tiles or `batch_wait_ns` after its first frame came.

    `models`: of each style that has one of its own; that of "" scores all others. Any fault of an engine leaves
    `step` as EngineFault: the process must end, since a poisoned device cannot be trusted again. Such a fault is an error of
    the engine, a score that is not finite, or one number for all cells of different pixels. Another one is a golden tile whose
    known score does not come out; one is scored every ten seconds. Nothing of the batch in hand gets a score then.

    A frame whose score would come after its budget is given up, and decision is told so. Under overload the time goes to frames
    that can still be judged; else all of them would be late.
    """

    def __init__(
        self,
        inbox: Inbox,
        decision: Outbox,
        models: Mapping[str, Model],
        max_batch: int,
        batch_wait_ns: int,
        generation: int,
        gpu: Gpu | None = None,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._gpu, self._clock_ns = gpu, clock_ns
        self._spent = {name: Percentiles() for name in ("batch_tiles", "wait_ms", "prepare_ms", "infer_ms", "post_ms")}
        self._inbox, self._decision, self._models = inbox, decision, models
        self._engines = list({id(m.engine): m.engine for m in models.values()}.values())
        self._max_batch, self._batch_wait_ns, self._generation = max_batch, batch_wait_ns, generation
        self._schedule = Schedule(max_batch)
        self._unsent: deque[tuple[Message, tuple[Payload, ...]]] = deque()
        self._overlaps = Overlaps(generation)
        self._glimpses = Glimpses()
        self._status = StatusReport(decision, "worker", "worker", generation)
        self._canary_due_ns: int | None = None
        self._canary_next = 0
        self.trail = Trail()
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Frames in hand."""
        return len(self._schedule.jobs) + len(self._unsent)

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen: medians over the latest batches and frames, and the GPU's own.

        `too_late`: frames given up. `too_large`: those of them that take longer than their whole budget at this pace.
        `wait_ms`: from a frame's arrival here to the call that takes its first tiles. `prepare_ms`: cutting a frame into
        tiles. `infer_ms`: one call of the engine. `post_ms`: putting a frame's cells together.
        """
        medians = {name: values.report()["p50"] for name, values in self._spent.items() if values}
        gpu = self._gpu.read() if self._gpu else {}
        refused = self._inbox.refused.counters
        given_up = {"too_late": self._schedule.given_up, "too_large": self._schedule.too_large}
        return {**given_up, "most_tiles": self._max_batch, **medians, **gpu, **refused}

    def glimpse(self) -> Glimpse | None:
        """A frame that was scored since the last call, made small, of each camera in its turn; none where there was none."""
        return self._glimpses.take()

    def step(self, now_ns: int) -> bool:
        """Send what is done, take what has come, and score one batch if it is full or its time is up."""
        said = self._models[""].engine
        self._status.tell(now_ns, StageState.READY, weights_sha=said.weights_sha, engine_sha=said.sha)
        self._try_canary(now_ns)
        moved = self._send()
        if self._unsent:
            return moved
        moved |= self._receive(now_ns)
        self._give_up(now_ns)
        jobs, full = self._schedule.jobs, self._schedule.tiles >= self._max_batch
        if not jobs or (not full and now_ns - min(j.arrived_ns for j in jobs) < self._batch_wait_ns):
            return moved
        self._score(now_ns)
        self._send()
        return True

    def _try_canary(self, now_ns: int) -> None:
        """One golden tile of each engine; at a start they have just been proven."""
        if self._canary_due_ns is None:
            self._canary_due_ns = now_ns + CANARY_INTERVAL_NS
        if now_ns < self._canary_due_ns:
            return
        self._canary_due_ns = now_ns + CANARY_INTERVAL_NS
        for engine in self._engines:
            if (canary := engine.canary) is not None:
                tile = self._canary_next % len(canary.tiles)
                canary.check(tile, self._cells(engine, canary.tiles[tile : tile + 1])[0])
        self._canary_next += 1

    def _cells(self, engine: Engine, tiles: np.ndarray) -> np.ndarray:
        try:
            cells = engine.score(tiles)  # (B, t, t)
        except Exception as error:
            reason = " ".join(str(error).split())[:MAX_FAULT]
            raise EngineFault(f"the engine failed ({type(error).__name__}: {reason})") from error
        side = engine.definition.tiling.cell_px
        wanted = len(tiles), tiles.shape[1] // side, tiles.shape[2] // side
        if cells.shape != wanted or cells.dtype != np.float32:
            raise EngineFault(f"the engine gave {cells.dtype} scores of shape {cells.shape}, not float32 of shape {wanted}")
        check_scores(tiles, cells)
        return cells

    def _send(self) -> bool:
        moved = False
        while self._unsent and self._decision.send(self._unsent[0][0], *self._unsent[0][1]):
            self._unsent.popleft()
            moved = True
        return moved

    def _receive(self, now_ns: int) -> bool:
        moved = False
        for _ in range(PORTION):
            if not self._has_room or (received := self._inbox.receive()) is None:
                break
            frame, payloads = received
            if not isinstance(frame, Frame):
                self._inbox.refused.count(frame.sender)
                continue
            moved = True
            self.trail.mark(frame.key, Step.RECEIVED)
            try:
                self._schedule.add(self._job(frame, payloads[0], now_ns))
            except InputError as e:  # one odd picture must not end the line
                self._unsent.append((self._result(frame, self._model(frame), math.nan, (), 0, str(e)), ()))
            self._give_up(now_ns)
        return moved

    @property
    def _has_room(self) -> bool:
        """Frames with a deadline are taken in before there is time for them: only here are they seen to grow old."""
        jobs = self._schedule.jobs
        in_time = bool(jobs) and jobs[-1].deadline_ns < math.inf
        return self._schedule.tiles < self._max_batch or (in_time and len(jobs) < MAX_WAITING)

    def _give_up(self, now_ns: int) -> None:
        for job in self._schedule.give_up(now_ns):
            self._unsent.append((self._result(job.frame, job.model, math.nan, (), 0, NO_TIME), ()))
            self.handled += 1  # who gives up in time is not stuck

    def _model(self, frame: Frame) -> Model:
        return self._models.get(frame.style, self._models[""])

    def _job(self, frame: Frame, payload: Payload, now_ns: int) -> Job:
        pixels, model = frame.pixels(payload), self._model(frame)
        definition = model.engine.definition
        if (takes := model.engine.pixel_format) not in (None, frame.pixel_format):
            raise InputError(f"pixels are {frame.pixel_format}, {frame.camera}, the bundle takes {takes}: compile for it")
        inspected = frame.inspect_x_px or definition.inspect_x_px
        layout = definition.tiling.layout(pixels.shape[0], pixels.shape[1], inspected)
        check_lanes(layout.lanes, frame.camera)
        return Job(frame, model, pixels, layout, now_ns)

    def _note(self, what: str, began_ns: int) -> None:
        self._spent[what].add((self._clock_ns() - began_ns) / 1e6)

    def _score(self, now_ns: int) -> None:
        """One engine call; what it takes with all around it is the pace by which frames are given up."""
        shares = self._schedule.batch(now_ns)
        first, started_ns = shares[0][0], self._clock_ns()
        for job, _ in shares:
            if job.tiles is None:
                self._spent["wait_ms"].add((now_ns - job.arrived_ns) / 1e6)
                self._unsent.extend((found, ()) for found in self._overlaps.look(job.frame, job.pixels, now_ns))
                began_ns = self._clock_ns()
                self.trail.mark(job.frame.key, Step.BEGUN)
                job.cut()
                self._note("prepare_ms", began_ns)
        tiles = np.concatenate([job.take(n) for job, n in shares])
        began_ns = self._clock_ns()
        cells = self._cells(first.model.engine, tiles)
        self._note("infer_ms", began_ns)
        self._spent["batch_tiles"].add(len(cells))
        ends = np.cumsum([n for _, n in shares])
        for (job, n), end in zip(shares, ends, strict=True):
            job.cells.append(cells[end - n : end])
        self.handled += 1  # a batch, not a frame: a frame of very many tiles is slow, not stuck
        for job in self._schedule.take_done():
            began_ns = self._clock_ns()
            self._finish(job)
            self.trail.mark(job.frame.key, Step.SCORED)
            self._note("post_ms", began_ns)
        took_ns = self._clock_ns() - started_ns
        self._schedule.pace(first).called(len(tiles), took_ns, now_ns + took_ns)

    def _finish(self, job: Job) -> None:
        cells = job.layout.stitch(np.concatenate(job.cells))  # (rows, cols)
        if job.frame.cloth_x_px is not None:
            left_px, right_px = (x - job.layout.x0_px for x in job.frame.cloth_x_px)
            first, last = max(0, -(-left_px // job.layout.tiling.cell_px)), right_px // job.layout.tiling.cell_px
            if first >= min(last, job.layout.cols):
                fault = "no cloth within the inspected range"
                self._unsent.append((self._result(job.frame, job.model, math.nan, (), len(job.layout.tiles), fault), ()))
                return
            cells[:, :first], cells[:, last:] = 0.0, 0.0
        lanes = tuple(float(s) for s in job.layout.lane_scores(cells))
        score = max(lanes) if all(math.isfinite(s) for s in lanes) else math.nan
        result = self._result(job.frame, job.model, score, lanes, len(job.layout.tiles))
        self._glimpses.offer(job, result, cells)
        payloads: tuple[Payload, ...] = ()
        if score > job.model.floor:
            x_px = (job.layout.x0_px, job.layout.x1_px)
            result = result.model_copy(update={"cells_shape": cells.shape, "inspect_x_px": x_px})
            payloads = (cells.astype("<f4").tobytes(), job.pixels.tobytes())
        self._unsent.append((result, payloads))

    def _result(
        self, frame: Frame, model: Model, score: float, lanes: tuple[float, ...], tiles: int, fault: str = ""
    ) -> ScoreMap:
        return ScoreMap(
            camera=frame.camera, boot_id=frame.boot_id, seq=frame.seq, generation=self._generation,
            weights_sha=model.engine.weights_sha, engine_sha=model.engine.sha,
            score=score, lanes=lanes, tiles=tiles, fault=fault, frame_shape=frame.shape,
            cell_px=model.engine.definition.tiling.cell_px,
        )  # fmt: skip

    def close(self) -> None:
        """The engine goes with the process."""
