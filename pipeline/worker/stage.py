"""Scores frames: cuts them into tiles, batches tiles of all cameras, and puts the cells of each frame together again."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from glass_core.engines import Engine
from glass_core.engines.canary import EngineFault, check_scores
from glass_core.errors import InputError
from glass_core.pictures.tiling import Layout
from pipeline.link.protocol import Inbox, Outbox
from pipeline.link.status import StatusReport
from pipeline.messages.domains import MAX_FAULT
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.messages.message import Message, Payload
from pipeline.messages.states import StageState
from pipeline.messages.verdicts import check_lanes
from pipeline.telemetry import Gpu, Percentiles
from pipeline.worker.overlap import Overlaps

CANARY_INTERVAL_NS = 10_000_000_000


@dataclass(frozen=True)
class Model:
    """What scores the frames of a style; a frame whose score is above `floor` takes its cells and pixels along to decision."""

    engine: Engine
    floor: float


@dataclass
class Job:
    """A frame under way."""

    frame: Frame
    model: Model
    pixels: np.ndarray
    layout: Layout
    tiles: np.ndarray
    arrived_ns: int
    taken: int = 0
    cells: list[np.ndarray] = field(default_factory=list)


class Worker:
    """The engines' stage; a batch closes at `max_batch` tiles or `batch_wait_ns` after its first frame came.

    `models`: of each style that has one of its own; that of "" scores all others. Any fault of an engine leaves
    `step` as EngineFault: the process must end, since a poisoned device cannot be trusted again. Such a fault is an error of
    the engine, a score that is not finite, one number for all cells of different pixels, or a golden tile, scored again every
    ten seconds, whose known score does not come out; nothing of the batch in hand gets a score then.

    A frame whose score would come after its budget is left alone (decision has said so of it by then): under overload the
    time goes to frames that can still be judged, instead of making all of them late.
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
        self._jobs: deque[Job] = deque()
        self._unsent: deque[tuple[Message, tuple[Payload, ...]]] = deque()
        self._overlaps = Overlaps(generation)
        self._status = StatusReport(decision, "worker", "worker", generation)
        self._scoring_since_ns: int | None = None
        self._batch_ns = 0
        self._canary_due_ns: int | None = None
        self._canary_next = 0
        self.too_late = 0
        self.state = StageState.READY
        self.handled = 0

    @property
    def waiting(self) -> int:
        """Frames in hand."""
        return len(self._jobs) + len(self._unsent)

    @property
    def counters(self) -> dict[str, int | float]:
        """Figures for the screen: medians over the latest batches and frames, and what the GPU says of itself.

        `wait_ms`: from a frame's arrival here to the call that takes its first tiles; `prepare_ms`: cutting a frame into
        tiles; `infer_ms`: one call of the engine; `post_ms`: putting a frame's cells together.
        """
        medians = {name: values.report()["p50"] for name, values in self._spent.items() if values}
        gpu = self._gpu.read() if self._gpu else {}
        refused = self._inbox.refused.counters
        return {"too_late": self.too_late, "most_tiles": self._max_batch, **medians, **gpu, **refused}

    def step(self, now_ns: int) -> bool:
        """Send what is done, take what has come, and score one batch if it is full or its time is up."""
        if self._scoring_since_ns is not None:
            self._batch_ns, self._scoring_since_ns = now_ns - self._scoring_since_ns, None
        said = self._models[""].engine
        self._status.tell(now_ns, StageState.READY, weights_sha=said.weights_sha, engine_sha=said.sha)
        self._try_canary(now_ns)
        moved = self._send()
        if self._unsent:
            return moved
        moved |= self._receive(now_ns)
        open_tiles = sum(len(j.tiles) - j.taken for j in self._jobs)
        if not open_tiles or (open_tiles < self._max_batch and now_ns - self._jobs[0].arrived_ns < self._batch_wait_ns):
            return moved
        self._scoring_since_ns = now_ns
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
        while sum(len(j.tiles) - j.taken for j in self._jobs) < self._max_batch and (received := self._inbox.receive()):
            frame, payloads = received
            if not isinstance(frame, Frame):
                self._inbox.refused.count(frame.sender)
                continue
            moved = True
            if frame.budget_ms is not None and now_ns + self._batch_ns > frame.t_mono_ns + frame.budget_ms * 1e6:
                self.too_late += 1
                self._batch_ns //= 2  # one slow batch must not condemn all that follow
                continue
            pixels = frame.pixels(payloads[0])
            model = self._models.get(frame.style, self._models[""])
            definition = model.engine.definition
            try:
                if (takes := model.engine.pixel_format) not in (None, frame.pixel_format):
                    raise InputError(
                        f"pixels are {frame.pixel_format}, {frame.camera}, the bundle takes {takes}: compile for it"
                    )
                inspected = frame.inspect_x_px or definition.inspect_x_px
                layout = definition.tiling.layout(pixels.shape[0], pixels.shape[1], inspected)
                check_lanes(layout.lanes, frame.camera)
            except InputError as e:  # one odd picture must not end the line
                self._unsent.append((self._result(frame, model, math.nan, (), 0, str(e)), ()))
                continue
            self._unsent.extend((found, ()) for found in self._overlaps.look(frame, pixels, now_ns))
            began_ns = self._clock_ns()
            self._jobs.append(Job(frame, model, pixels, layout, layout.cut(pixels), now_ns))
            self._note("prepare_ms", began_ns)
        return moved

    def _note(self, what: str, began_ns: int) -> None:
        self._spent[what].add((self._clock_ns() - began_ns) / 1e6)

    def _score(self, now_ns: int) -> None:
        """One engine call over the oldest open tiles; frames of two engines, or mono and colour, do not share one."""
        batch: list[np.ndarray] = []
        engine = self._jobs[0].model.engine
        shares: list[tuple[Job, int]] = []
        for job in self._jobs:
            room = self._max_batch - sum(n for _, n in shares)
            n = min(room, len(job.tiles) - job.taken)
            if n == 0 or job.model.engine is not engine or (batch and batch[0].ndim != job.tiles.ndim):
                break
            if not job.taken:
                self._spent["wait_ms"].add((now_ns - job.arrived_ns) / 1e6)
            batch.append(job.tiles[job.taken : job.taken + n])
            shares.append((job, n))
        began_ns = self._clock_ns()
        cells = self._cells(engine, np.concatenate(batch))
        self._note("infer_ms", began_ns)
        self._spent["batch_tiles"].add(len(cells))
        first = 0
        for job, n in shares:
            job.cells.append(cells[first : first + n])
            job.taken += n
            first += n
        self.handled += 1  # a batch, not a frame: a frame of very many tiles is slow, not stuck
        while self._jobs and self._jobs[0].taken == len(self._jobs[0].tiles):
            began_ns = self._clock_ns()
            self._finish(self._jobs.popleft())
            self._note("post_ms", began_ns)

    def _finish(self, job: Job) -> None:
        cells = job.layout.stitch(np.concatenate(job.cells))  # (rows, cols)
        if job.frame.cloth_x_px is not None:
            left_px, right_px = (x - job.layout.x0_px for x in job.frame.cloth_x_px)
            first, last = max(0, -(-left_px // job.layout.tiling.cell_px)), right_px // job.layout.tiling.cell_px
            if first >= min(last, job.layout.cols):
                fault = "no cloth within the inspected range"
                self._unsent.append((self._result(job.frame, job.model, math.nan, (), len(job.tiles), fault), ()))
                return
            cells[:, :first], cells[:, last:] = 0.0, 0.0
        lanes = tuple(float(s) for s in job.layout.lane_scores(cells))
        score = max(lanes) if all(math.isfinite(s) for s in lanes) else math.nan
        result = self._result(job.frame, job.model, score, lanes, len(job.tiles))
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
