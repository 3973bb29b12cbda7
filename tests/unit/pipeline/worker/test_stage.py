"""The worker: batches close by size or time and mix cameras; every frame gets its own scores back."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from glass_core.engines.canary import Canary, EngineFault
from pipeline.messages.frames import Frame, ScoreMap
from pipeline.messages.passages import SAMPLED, Step
from pipeline.messages.stages import Status
from pipeline.messages.states import StageState
from pipeline.telemetry import Gpu
from pipeline.worker.job import Model
from pipeline.worker.stage import Worker
from tests.fakes import Box, BrightnessEngine

MS = 1_000_000


def frame(
    camera: str, seq: int, pixels: np.ndarray, inspect: tuple[int, int] | None = None, budget_ms: float | None = None
) -> tuple[Frame, bytes]:
    """A frame taken at time 0, and its payload."""
    kind = "RGB8" if pixels.ndim == 3 else "Mono8"
    made = Frame(
        camera=camera, boot_id="b", seq=seq, t_mono_ns=0, t_utc_ns=0, block_id=seq, shape=pixels.shape,
        pixel_format=kind, inspect_x_px=inspect, budget_ms=budget_ms,
    )  # fmt: skip
    return made, pixels.tobytes()


class Bench:
    """A worker with its surroundings; frames of 64 x 160 px are 3 tiles."""

    def __init__(self, max_batch: int = 6, floor: float = 0.5) -> None:
        self.inbox, self.decision, self.engine = Box(), Box(), BrightnessEngine()
        self.worker = Worker(self.inbox, self.decision, {"": Model(self.engine, floor)}, max_batch, 5 * MS, 2)

    def step(self, now_ns: int) -> list[ScoreMap]:
        self.worker.step(now_ns)
        return list(self.decision.take(ScoreMap))


def grey(value: int = 10, width: int = 160) -> np.ndarray:
    return np.full((64, width), value, np.uint8)


def spotted() -> np.ndarray:
    """Pixels that differ."""
    pixels = grey()
    pixels[20, 130] = 200
    pixels[20, 30] = 220
    return pixels


def test_a_batch_closes_at_its_deadline() -> None:
    bench = Bench()
    bench.inbox.send(*frame("a", 0, grey()))
    assert bench.step(0) == [] and bench.worker.waiting == 1
    assert bench.step(4 * MS) == []
    (scored,) = bench.step(5 * MS)
    assert bench.engine.batches == [3] and scored.tiles == 3 and len(scored.lanes) == 3


def test_a_batch_closes_at_its_size_and_mixes_cameras() -> None:
    bench = Bench(max_batch=6)
    bench.inbox.send(*frame("a", 0, grey(51)))
    bench.inbox.send(*frame("b", 7, grey(102)))
    scored = bench.step(0)
    assert bench.engine.batches == [6]
    assert [(s.camera, s.seq, round(s.score, 3)) for s in scored] == [("a", 0, 0.2), ("b", 7, 0.4)]


def test_a_frame_larger_than_a_batch_is_scored_in_several() -> None:
    bench = Bench(max_batch=2)
    bench.inbox.send(*frame("a", 0, grey()))
    assert bench.step(0) == [] and bench.worker.handled == 1  # slow, but not stuck
    (scored,) = bench.step(6 * MS)
    assert bench.engine.batches == [2, 1] and scored.tiles == 3


def test_the_spot_is_found_in_its_lane_and_travels_with_pixels() -> None:
    bench = Bench()
    pixels = grey()
    pixels[20, 130] = 255
    bench.inbox.send(*frame("a", 0, pixels))
    bench.worker.step(0)
    bench.worker.step(6 * MS)
    scored, payloads = next(r for r in bench.decision.queue if isinstance(r[0], ScoreMap))
    assert isinstance(scored, ScoreMap)
    assert scored.lanes.index(max(scored.lanes)) == 2 and scored.score == 1.0 and scored.cells_shape == (8, 20)
    cells = np.frombuffer(payloads[0], "<f4").reshape(scored.cells_shape)
    assert cells[20 // 8, 130 // 8] == 1.0 and bytes(payloads[1]) == pixels.tobytes()


def test_under_the_floor_nothing_but_scores_travels() -> None:
    bench = Bench(floor=0.5)
    bench.inbox.send(*frame("a", 0, grey()))
    bench.worker.step(0)
    bench.worker.step(6 * MS)
    scored, payloads = next(r for r in bench.decision.queue if isinstance(r[0], ScoreMap))
    assert isinstance(scored, ScoreMap) and scored.cells_shape is None and payloads == ()


def test_mono_and_colour_do_not_share_a_batch_and_both_are_scored() -> None:
    bench = Bench(max_batch=99)
    bench.inbox.send(*frame("a", 0, grey()))
    bench.inbox.send(*frame("b", 0, np.zeros((64, 160, 3), np.uint8)))
    assert [s.camera for s in bench.step(0) + bench.step(6 * MS) + bench.step(12 * MS)] == ["a", "b"]
    assert bench.engine.batches == [3, 3]


def test_it_tells_where_its_time_goes_and_leaves_out_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-none")
    ticks = iter(range(0, 1000 * MS, 2 * MS))  # each reading of the clock is 2 ms after the one before
    inbox, decision = Box(), Box()
    worker = Worker(
        inbox, decision, {"": Model(BrightnessEngine(), 0.5)}, 6, 5 * MS, 0, Gpu(), lambda: next(ticks)
    )  # fmt: skip
    assert worker.counters == {"too_late": 0, "too_large": 0, "most_tiles": 6}
    inbox.send(*frame("a", 0, grey()))
    worker.step(0)
    worker.step(5 * MS)
    told = worker.counters
    expected = {"batch_tiles": 3, "most_tiles": 6, "wait_ms": 5, "prepare_ms": 2, "infer_ms": 2, "post_ms": 2}
    assert {name: told[name] for name in expected} == expected


@pytest.mark.parametrize(
    "odd",
    [
        lambda cells: cells[:-1],
        lambda cells: np.concatenate([cells, cells]),
        lambda cells: cells[:, :-1],
        lambda cells: cells.reshape(len(cells), -1),
        lambda cells: cells.astype(np.float64),
        lambda cells: (cells * 255).astype(np.uint8),
        lambda cells: np.where(np.arange(cells.size).reshape(cells.shape) == 70, np.float32(math.nan), cells),
    ],
)
def test_scores_of_another_form_or_one_that_is_no_number_end_the_worker_and_nobody_gets_a_score(
    odd: Callable[[np.ndarray], np.ndarray],
) -> None:
    bench = Bench(max_batch=6)
    score = bench.engine.score
    bench.engine.score = lambda tiles: odd(score(tiles))  # type: ignore[method-assign]
    bench.inbox.send(*frame("a", 0, spotted()))
    bench.inbox.send(*frame("b", 0, spotted()))
    with pytest.raises(EngineFault, match=r"float32 of shape|not finite"):
        bench.worker.step(0)
    assert bench.decision.take(ScoreMap) == []


def test_frames_of_two_models_share_no_batch_and_each_is_scored_by_its_own() -> None:
    bench = Bench(max_batch=99)
    other = BrightnessEngine("another")
    bench.worker = Worker(
        bench.inbox, bench.decision, {"": Model(bench.engine, 1), "satin": Model(other, 1)}, 99, 5 * MS, 2
    )  # fmt: skip
    for seq, style in enumerate(("", "satin", "satin", "")):
        made, payload = frame("a", seq, grey(51 * (seq + 1)))
        bench.inbox.send(made.model_copy(update={"style": style}), payload)
    scored = [s for ms in range(0, 60, 6) for s in bench.step(ms * MS)]
    told = [(s.seq, s.engine_sha, round(s.score, 3)) for s in scored]
    assert told == [(0, "engine", 0.2), (1, "another", 0.4), (2, "another", 0.6), (3, "engine", 0.8)]
    assert (bench.engine.batches, other.batches) == ([3, 3], [6])


def test_when_a_golden_tile_fails_scores_in_hand_and_frames_under_way_are_dropped_with_the_worker() -> None:
    bench = Bench(max_batch=3)
    tiles = np.stack([spotted()[:, :64], spotted()[::-1, :64]])
    bench.engine.canary = Canary(tiles, bench.engine.score(tiles))
    bench.decision.room = 0
    bench.inbox.send(*frame("a", 0, spotted()))
    bench.worker.step(0)  # scored, and nobody takes the score
    assert bench.worker.waiting == 1
    bench.inbox.send(*frame("a", 1, spotted()))
    bench.engine.replace = 0.5
    bench.decision.room = 99
    with pytest.raises(EngineFault):
        bench.worker.step(10_000 * MS)
    bench.worker.close()
    assert bench.decision.take(ScoreMap) == []


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_each_golden_tile_has_its_turn(broken: int) -> None:
    bench = Bench()
    tiles = np.stack([spotted()[:, :64], spotted()[::-1, :64], spotted()[:, 90:154]])
    cells = bench.engine.score(tiles)
    cells[broken, 5, 3] += np.float32(0.2)
    bench.engine.canary = Canary(tiles, cells)
    for turn in range(broken + 1):
        bench.worker.step(turn * 10_000 * MS)  # at first it is only due
    with pytest.raises(EngineFault, match=r"moved by 0\.2"):
        bench.worker.step((broken + 1) * 10_000 * MS)


@pytest.mark.parametrize(("value", "words"), [(math.nan, "not finite"), (math.inf, "not finite"), (0.1, "gives 0.1 for")])
def test_an_engine_that_cannot_be_sound_ends_the_worker_and_scores_nothing(value: float, words: str) -> None:
    bench = Bench(max_batch=6)
    bench.engine.replace = value
    bench.inbox.send(*frame("a", 0, spotted()))
    bench.inbox.send(*frame("b", 0, grey()))
    with pytest.raises(EngineFault, match=words):
        bench.worker.step(0)
    assert bench.decision.take(ScoreMap) == []


def test_equal_scores_of_equal_pixels_are_no_fault() -> None:
    bench = Bench(max_batch=3)
    bench.inbox.send(*frame("a", 0, grey(0)))
    assert [s.score for s in bench.step(0)] == [0.0]


def test_a_golden_tile_is_scored_now_and_then_also_without_frames() -> None:
    bench = Bench()
    tiles = np.stack([spotted()[:, :64], spotted()[::-1, :64]])
    bench.engine.canary = Canary(tiles, bench.engine.score(tiles))
    bench.engine.batches.clear()
    for second in range(0, 31, 5):
        bench.worker.step(second * 1000 * MS)
    assert bench.engine.batches == [1, 1, 1]


@pytest.mark.parametrize(("value", "words"), [(math.nan, "not finite"), (0.5, "gives 0.5 for"), (None, "moved by 0.1")])
def test_a_golden_tile_whose_score_does_not_come_out_ends_the_worker(value: float | None, words: str) -> None:
    bench = Bench()
    tiles = np.stack([spotted()[:, :64], spotted()[::-1, :64]])
    bench.engine.canary = Canary(tiles, bench.engine.score(tiles) + np.float32(0.1 if value is None else 0))
    bench.engine.replace = value
    bench.worker.step(0)
    with pytest.raises(EngineFault, match=words):
        bench.worker.step(10_000 * MS)


def test_pixels_that_the_bundle_does_not_take_are_answered_with_a_reason() -> None:
    bench = Bench()
    bench.engine.pixel_format = "Mono8"
    bench.inbox.send(*frame("a", 0, np.zeros((64, 160, 3), np.uint8)))
    bench.inbox.send(*frame("a", 1, grey()))
    scored = bench.step(0) + bench.step(6 * MS)
    assert math.isnan(scored[0].score) and "RGB8" in scored[0].fault and scored[1].fault == ""


def test_a_picture_that_does_not_fit_is_answered_not_fatal() -> None:
    bench = Bench()
    bench.inbox.send(*frame("a", 0, grey(width=100), inspect=(50, 160)))
    bench.inbox.send(*frame("a", 1, grey()))
    scored = bench.step(0) + bench.step(6 * MS)
    assert "inspect_x_px" in scored[0].fault and scored[1].fault == ""


def test_an_engine_that_fails_ends_the_worker() -> None:
    bench = Bench()
    bench.engine.score = lambda tiles: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    bench.inbox.send(*frame("a", 0, grey()))
    bench.worker.step(0)
    with pytest.raises(EngineFault, match="ZeroDivisionError: division by zero"):
        bench.worker.step(6 * MS)


def test_it_says_who_it_is_until_heard_and_keeps_results_that_are_refused() -> None:
    bench = Bench()
    bench.decision.room = 0
    bench.inbox.send(*frame("a", 0, grey()))
    bench.worker.step(0)
    assert bench.step(6 * MS) == [] and bench.worker.waiting == 1
    bench.decision.room = 99
    assert [s.seq for s in bench.step(7 * MS)] == [0]
    (status, *_) = bench.decision.take(Status)
    assert (status.state, status.weights_sha, status.engine_sha, status.generation) == (
        StageState.READY,
        "weights",
        "engine",
        2,
    )


def test_what_lies_beside_the_cloth_is_left_out() -> None:
    bench = Bench()
    pixels = grey()
    pixels[20, [30, 130]] = 255
    pixels[20, 80] = 200
    made, payload = frame("a", 0, pixels, inspect=(8, 160))
    bench.inbox.send(made.model_copy(update={"cloth_x_px": (34, 136)}), payload)  # in its cells: from 40 to 136
    bench.worker.step(0)
    bench.worker.step(6 * MS)
    scored, payloads = next(r for r in bench.decision.queue if isinstance(r[0], ScoreMap))
    assert isinstance(scored, ScoreMap) and scored.cells_shape == (8, 19)
    cells = np.frombuffer(payloads[0], "<f4").reshape(scored.cells_shape)
    assert list(np.flatnonzero(cells.any(axis=0))) == list(range(4, 16))
    assert cells[2, (130 - 8) // 8] == 1.0 and cells[2, (80 - 8) // 8] > 0.7 and cells[2, (30 - 8) // 8] == 0.0


def test_a_frame_without_cloth_in_its_range_is_not_passed() -> None:
    bench = Bench()
    made, payload = frame("a", 0, grey(), inspect=(0, 80))
    bench.inbox.send(made.model_copy(update={"cloth_x_px": (90, 160)}), payload)
    bench.worker.step(0)
    (scored,) = bench.step(6 * MS)
    assert scored.fault == "no cloth within the inspected range" and scored.lanes == ()


def test_a_picture_with_more_lanes_than_a_verdict_tells_is_a_fault_of_that_picture() -> None:
    bench = Bench()
    for seq, width in enumerate((64 * 161, 64)):
        bench.inbox.send(*frame("a", seq, np.zeros((64, width), np.uint8)))
    first, second = [scored for at in (0, 10 * MS) for scored in bench.step(at)]
    assert first.fault.startswith("215 lanes, camera a, 160 are allowed") and (second.seq, second.fault) == (1, "")


def test_what_is_no_frame_is_counted_by_its_sender() -> None:
    bench = Bench()
    bench.inbox.send(Status(role="grabber", name="left", generation=0, state=StageState.READY))
    bench.inbox.send(*frame("a", 0, np.zeros((64, 0), np.uint8)))
    (empty,) = [scored for at in (0, 10 * MS) for scored in bench.step(at)]
    assert empty.fault.startswith("an empty picture") and bench.worker.counters["refused left"] == 1


def test_of_a_sampled_frame_it_is_known_when_it_came_was_begun_and_was_scored() -> None:
    bench = Bench()
    for seq in (SAMPLED - 1, SAMPLED):
        bench.inbox.send(*frame("a", seq, grey()))
    bench.step(0)
    bench.step(9 * MS)
    (passed,) = bench.worker.trail.take()
    assert passed.key == ("a", "b", SAMPLED)
    times = [passed.steps[step] for step in (Step.RECEIVED, Step.BEGUN, Step.SCORED)]
    assert len(passed.steps) == 3 and times == sorted(times)
    assert bench.worker.trail.take() == ()
