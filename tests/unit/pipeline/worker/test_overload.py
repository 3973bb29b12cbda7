"""A worker that is offered too much judges nearly as much as its engine could, and every camera has its share."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from pipeline.link.protocol import Received
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.messages.message import Message, Payload
from pipeline.telemetry import Refusals
from pipeline.worker.job import Job, Model
from pipeline.worker.schedule import Schedule
from pipeline.worker.stage import Worker
from tests.fakes import TILING, BrightnessEngine

MS = 1_000_000
MAX_BATCH = 16
QUEUE = 8
"""Frames of each camera that wait on the two sides of its socket."""


@dataclass
class Camera:
    """Frames of so many tiles side by side, each `period_ms`; the first after `phase_ms`."""

    name: str
    tiles: int
    period_ms: float
    phase_ms: float = 0.0
    budget_ms: float = 500.0
    seq: int = 0
    queue: deque[Received] = field(default_factory=deque)
    judged: int = 0

    def frame(self) -> Received:
        """The next one, and its pixels."""
        width = 64 + 48 * (self.tiles - 1)
        frame = Frame(
            camera=self.name, boot_id="b", seq=self.seq, t_mono_ns=self.next_ns, t_utc_ns=0, block_id=self.seq,
            shape=(64, width), pixel_format="Mono8", budget_ms=self.budget_ms,
        )  # fmt: skip
        return frame, (memoryview(np.arange(64 * width, dtype=np.uint32).astype(np.uint8)),)  # type: ignore[arg-type]

    @property
    def next_ns(self) -> int:
        """When it is taken."""
        return int((self.phase_ms + self.seq * self.period_ms) * MS)


class Line:
    """Cameras, and a worker whose engine takes `cost_ms(tiles, now_ms)` of the only time there is."""

    def __init__(self, cameras: list[Camera], cost_ms: Callable[[int, float], float]) -> None:
        self.cameras, self.cost_ms, self.now_ns = cameras, cost_ms, 0
        self.refused = Refusals()
        self.latest_ms, self.turn = Counter[str](), 0
        self.received = 0
        self.told: Counter[tuple[str, int]] = Counter()
        """How often decision heard of each frame."""
        self.engine = BrightnessEngine()
        score = self.engine.score

        def slow(tiles: np.ndarray) -> np.ndarray:
            self.now_ns += int(self.cost_ms(len(tiles), self.now_ns / MS) * MS)
            return score(tiles)

        self.engine.score = slow  # type: ignore[method-assign]
        self.worker = Worker(self, self, {"": Model(self.engine, 1.0)}, MAX_BATCH, 5 * MS, 0, clock_ns=lambda: self.now_ns)

    def receive(self) -> Received | None:
        """As a socket does: one of each camera in turn."""
        self.take_pictures()
        for _ in self.cameras:
            self.turn = (self.turn + 1) % len(self.cameras)
            if queue := self.cameras[self.turn].queue:
                self.received += 1
                return queue.popleft()
        return None

    def take_pictures(self) -> None:
        for camera in self.cameras:
            while camera.next_ns <= self.now_ns:
                if len(camera.queue) < QUEUE:
                    camera.queue.append(camera.frame())
                camera.seq += 1

    def send(self, message: Message, *payloads: Payload) -> bool:
        """Decision hears at once; what comes too late was not judged."""
        if isinstance(message, ScoreMap):
            self.told[message.camera, message.seq] += 1
        if isinstance(message, ScoreMap) and not message.given_up:
            camera = next(c for c in self.cameras if c.name == message.camera)
            taken_ms = camera.phase_ms + message.seq * camera.period_ms
            camera.judged += self.now_ns / MS - taken_ms <= camera.budget_ms
        return True

    def run(self, seconds: float) -> None:
        """Go on for so long; what was judged before is not counted any more."""
        end_ns = self.now_ns + int(seconds * 1e9)
        self.begun = {c.name: c.seq for c in self.cameras}
        for camera in self.cameras:
            camera.judged = 0
        while self.now_ns < end_ns:
            self.take_pictures()
            if not self.worker.step(self.now_ns):
                self.now_ns += MS

    @property
    def tiles_judged(self) -> int:
        return sum(c.judged * c.tiles for c in self.cameras)

    def share(self, name: str) -> float:
        """Of a camera's frames, how many were judged in the latest run."""
        camera = next(c for c in self.cameras if c.name == name)
        return camera.judged / (camera.seq - self.begun[name])


CAMERAS = {
    "alike": ([(4, 1), (4, 1)], 500),
    "a large and a small one": ([(10, 1), (3, 2)], 900),
    "one, of more tiles than a batch": ([(21, 1)], 2000),
    "one tile": ([(1, 1), (1, 1), (1, 1)], 300),
}
"""Tiles of a frame and frames beside those of the others, of each camera; the budget in ms."""


def line(kind: str, load: float, call_ms: float, tile_ms: float, varies: tuple[float, ...] = (1.0,)) -> tuple[Line, float]:
    """So much more than the engine can do; how many tiles it can do in a second."""
    rng = random.Random(kind)
    cameras, budget_ms = CAMERAS[kind]
    per_s = MAX_BATCH * 1000 / (call_ms + MAX_BATCH * tile_ms)
    times = load * per_s / sum(tiles * often for tiles, often in cameras) / 1000
    made = [Camera(str(n), tiles, 1 / (often * times), n, budget_ms) for n, (tiles, often) in enumerate(cameras)]
    return Line(made, lambda tiles, _: (call_ms + tiles * tile_ms) * rng.choice(varies)), per_s * len(varies) / sum(varies)


@pytest.mark.parametrize(("call_ms", "tile_ms"), [(2, 30), (12, 4)])
@pytest.mark.parametrize("load", [0.5, 1, 2, 4])
@pytest.mark.parametrize("kind", CAMERAS)
def test_what_is_judged_stays_near_what_the_engine_can_do(kind: str, load: float, call_ms: float, tile_ms: float) -> None:
    made, per_s = line(kind, load, call_ms, tile_ms)
    made.run(2)
    made.run(4)
    shares = [made.share(c.name) for c in made.cameras]
    assert made.tiles_judged / (4 * per_s) >= 0.9 * min(1, load)
    frames = [c.judged for c in made.cameras]  # sockets give each camera its turn: the same number is as fair
    assert min(shares) >= 0.7 * max(shares) or min(frames) >= 0.7 * max(frames)


@pytest.mark.parametrize("load", [2, 4])
def test_a_machine_that_is_busy_with_other_things_judges_what_it_still_can(load: float) -> None:
    made, per_s = line("alike", load, 2, 15, (1, 1, 1.5, 2, 2, 3))
    made.run(2)
    made.run(20)
    assert made.tiles_judged / (20 * per_s) >= 0.85  # of calls that vary threefold some are in vain


def test_an_engine_that_is_slow_for_a_while_is_as_good_as_before_within_two_seconds() -> None:
    made, per_s = line("alike", 1.5, 2, 8)
    quick = made.cost_ms
    made.run(3)
    made.cost_ms = lambda tiles, now_ms: 30 * quick(tiles, now_ms)  # one frame takes longer than its budget
    made.run(10)
    assert made.worker.counters["too_large"] > 0 and made.tiles_judged == 0
    assert len(made.engine.batches) < 3 + 3 * 1.5 * per_s / 4 + 2 * 10  # it is tried now and then, no more
    made.cost_ms = quick
    made.run(2)
    made.run(3)
    assert made.tiles_judged / (3 * per_s) >= 0.9


def test_one_call_that_was_held_up_condemns_nobody() -> None:
    made, _ = line("alike", 0.5, 2, 8)
    held = iter([600.0])
    quick = made.cost_ms
    made.run(2)
    made.cost_ms = lambda tiles, now_ms: next(held, quick(tiles, now_ms))
    made.run(1)
    made.run(5)
    assert [made.share(c.name) for c in made.cameras] == pytest.approx([1, 1], abs=0.05)


def test_a_camera_whose_frames_can_never_be_judged_takes_no_time_from_the_others() -> None:
    large, small = Camera("large", 100, 400, budget_ms=500), Camera("small", 4, 100, 3, budget_ms=500)
    made = Line([large, small], lambda tiles, _: 2 + 8.0 * tiles)  # 100 tiles take 814 ms
    made.run(2)
    made.run(5)
    assert made.share("small") == 1 and made.share("large") == 0
    assert made.worker.counters["too_large"] == made.worker.counters["too_late"] > 10


def test_frames_without_a_budget_are_all_judged_and_no_more_of_them_are_taken_in_than_a_batch_holds() -> None:
    made, _ = line("alike", 3, 2, 8)
    seen = []
    for camera in made.cameras:
        camera.queue.extend(
            (f.model_copy(update={"budget_ms": None}), p) for f, p in (camera.frame() for _ in range(20))
        )  # fmt: skip
        camera.phase_ms = 1e9  # no more come
    for _ in range(60):
        made.now_ns += 6 * MS
        made.worker.step(made.now_ns)
        seen.append(made.worker.waiting)
    assert sum(made.engine.batches) == 2 * 20 * 4 and max(seen) <= MAX_BATCH // 4


def test_decision_hears_of_every_frame_once_also_of_those_that_are_given_up() -> None:
    made, _ = line("alike", 3, 2, 8)
    made.run(3)
    assert made.worker.counters["too_late"] > 0
    assert set(made.told.values()) == {1} and made.told.total() == made.received - made.worker.waiting


def test_a_frame_that_is_begun_is_not_given_up_for_others() -> None:
    schedule, model = Schedule(MAX_BATCH), Model(BrightnessEngine(), 1.0)
    for camera, tiles, taken, budget_ms in (("a", 20, 16, 100), ("b", 20, 16, 105), ("late", 8, 0, 110), ("later", 8, 0, 900)):
        shape = 64, 64 + 48 * (tiles - 1)
        frame = Frame(
            camera=camera, boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, block_id=0, shape=shape, pixel_format="Mono8",
            budget_ms=budget_ms,
        )  # fmt: skip
        schedule.add(Job(frame, model, np.zeros(shape, np.uint8), TILING.layout(*shape, None), 0, taken=taken))
    schedule.pace(schedule.jobs[0]).called(1, 10 * MS, 0)
    assert [job.frame.camera for job in schedule.give_up(0)] == ["late"]  # 40 + 40 + 80 ms are more than it has
    assert [job.frame.camera for job in schedule.jobs] == ["a", "b", "later"] and schedule.given_up == 1
