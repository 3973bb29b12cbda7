"""Small pictures with their scores, for people who watch: one at a time, each camera in its turn, whatever the size."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.messages.frames import MAX_SHRUNK_BYTES, ScoreMap
from pipeline.worker.job import Model
from pipeline.worker.stage import Worker
from tests.fakes import Box, BrightnessEngine
from tests.unit.pipeline.worker.test_stage import MS, frame, grey


class Bench:
    """A worker of engines that find what is bright."""

    def __init__(self, thresholds: tuple[float, ...] = ()) -> None:
        self.inbox = Box()
        self.worker = Worker(self.inbox, Box(), {"": Model(BrightnessEngine(), 0.5, thresholds)}, 1000, 0, 2)
        self.now_ns = 0

    def score(self, camera: str, seq: int, pixels: np.ndarray, inspect: tuple[int, int] | None = None) -> None:
        self.inbox.send(*frame(camera, seq, pixels, inspect))
        self.now_ns += 6 * MS
        self.worker.step(self.now_ns)

    def glimpse(self) -> tuple[ScoreMap, np.ndarray, np.ndarray]:
        """The map, its cells and its pixels."""
        seen = self.worker.glimpse()
        assert seen is not None
        assert seen[0].payload_sizes() == tuple(map(len, seen[1:]))
        assert seen[0].cells_shape is not None
        cells = np.frombuffer(seen[1], "<f4").reshape(seen[0].cells_shape)
        return seen[0], cells, np.frombuffer(seen[2], np.uint8).reshape(seen[0].frame_shape)


def test_nothing_is_shown_twice() -> None:
    bench = Bench()
    assert bench.worker.glimpse() is None
    bench.score("a", 0, grey())
    assert bench.glimpse()[0].seq == 0 and bench.worker.glimpse() is None


def test_each_lane_is_held_to_its_own_threshold() -> None:
    pixels = grey(0)
    pixels[20, 3], pixels[60, 150] = 102, 102  # 0.4, in the first lane and in the last
    bench = Bench((0.8, 0.5, 0.2))
    bench.score("a", 0, pixels)
    _, cells, seen = bench.glimpse()
    assert cells.shape == (8, 20) and np.array_equal(seen, pixels)
    assert cells[2, 0] == pytest.approx(0.5) and cells[7, 18] == pytest.approx(2.0)
    assert np.count_nonzero(cells) == 2


@pytest.mark.parametrize(("thresholds", "share"), [((), 0.4), ((0.8,), 0.5), ((0.8, 0.5), 0.8)])
def test_a_lane_that_no_card_knows_is_held_to_the_strictest(thresholds: tuple[float, ...], share: float) -> None:
    pixels = grey(0)
    pixels[60, 150] = 102
    bench = Bench(thresholds)
    bench.score("a", 0, pixels)
    assert bench.glimpse()[1][7, 18] == pytest.approx(share)


def test_only_what_is_inspected_is_shown() -> None:
    pixels = grey(0)
    pixels[:, 60], pixels[:, 150] = 255, 200
    bench = Bench()
    bench.score("a", 0, pixels, inspect=(56, 136))
    _, cells, seen = bench.glimpse()
    assert np.array_equal(seen, pixels[:, 56:136]) and (cells[:, 0] == 1.0).all() and not cells[:, 1:].any()


@pytest.mark.parametrize("colour", [(), (3,)])
def test_a_large_picture_is_made_small_and_keeps_its_highest_score(colour: tuple[int, ...]) -> None:
    pixels = np.zeros((512, 2416, *colour), np.uint8)
    pixels[505, 2411] = 255
    bench = Bench()
    bench.score("a", 0, pixels)
    _, cells, seen = bench.glimpse()
    assert cells.nbytes <= MAX_SHRUNK_BYTES and seen.nbytes <= MAX_SHRUNK_BYTES and seen.shape[2:] == colour
    assert cells[-1, -1] == 1.0 and np.count_nonzero(cells) == 1


def test_cameras_take_turns_and_the_newest_of_each_is_shown() -> None:
    bench, shown = Bench(), list[tuple[str, int]]()
    for seq in range(8):
        for camera in ("slow", "left", "right") if seq in (0, 6) else ("left", "right"):
            bench.score(camera, seq, grey())
        shown += [bench.glimpse()[0].key[::2]]
    cameras = [camera for camera, _ in shown]
    assert {cameras[0], cameras[1], cameras[2]} >= {"left", "right"} and "slow" in cameras
    assert cameras.count("left") >= 3 and cameras.count("right") >= 3
    assert all(seq == n for n, (_, seq) in enumerate(shown))
