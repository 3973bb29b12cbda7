"""Neighbours held against each other on the cloth that both see: what was moved is measured, what cannot be told is not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import WeaveConfig
from pipeline.decision.apart import Apart
from pipeline.messages.cloth import Alignment
from pipeline.messages.frames import Frame
from pipeline.messages.line import LineState
from pipeline.messages.states import State
from pipeline.worker.overlap import INTERVAL_NS, STRIPS, Overlaps, Strip, compare
from tests.decision_bench import Bench

MM = 0.2
WIDTH, ROWS, STEP = 256, 128, 25.6
"""Of a frame: px, px, mm."""
BESIDE_PX = 160
"""From the left camera's first column to the right one's: they share 96 px."""
CLOTH = WeaveConfig(name="c", source="weave", width_px=BESIDE_PX + WIDTH + 40, frame_rows=ROWS, seed=3, weave="twill")


def seen(row: int, column: int, rows: int = ROWS, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """What a camera sees of the cloth, with noise and light of its own."""
    rng = np.random.default_rng(abs(seed + row * 1000 + column))
    cloth = render(CLOTH, row + 5000, rows)[:, column : column + width]
    return np.clip(cloth * rng.uniform(0.9, 1.1) + rng.normal(0, 2, cloth.shape), 0, 255).astype(np.uint8)


def strip(pixels: np.ndarray, x_mm: float = 0.0, y_mm: float = 0.0, mm: float = MM) -> Strip:
    return Strip(x_mm, y_mm, mm, mm, pixels)


@settings(max_examples=20, deadline=None)
@given(st.integers(-15, 15), st.integers(-15, 15), st.floats(-0.5, 0.5), st.integers(0, 40))
def test_what_a_camera_was_moved_is_measured(dx: int, dy: int, part_px: float, phase: int) -> None:
    left = strip(seen(50, 20, 128, 128), y_mm=50 * MM)
    # The right one's frames begin elsewhere, and it looks (dx, dy) px further right and on than its offsets say.
    moved = seen(50 + phase + dy, 20 + dx, 128, 128, seed=7)
    right = strip(moved, part_px * MM, (50 + phase) * MM)
    apart, fit = compare(left, right)
    assert apart is not None and fit > 0.8
    assert apart == pytest.approx(((part_px - dx) * MM, -dy * MM), abs=0.06)


def test_another_scale_is_taken_into_account() -> None:
    left = seen(0, 0, 200, 200)
    coarse = left.reshape(100, 2, 100, 2).mean(axis=(1, 3)).astype(np.uint8)
    apart, fit = compare(strip(left), strip(coarse, mm=2 * MM))
    assert apart == pytest.approx((0, 0), abs=0.1) and fit > 0.5


DRAWN = (128 + 100 * np.sin(np.mgrid[0:128, 0:128].sum(axis=0) * np.pi / 4)).astype(np.uint8)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (seen(0, 0), seen(700, 0)),  # other cloth
        (np.full((128, 128), 90, np.uint8), seen(0, 0)),  # nothing to see
        (seen(0, 0), np.full((128, 128), 90, np.uint8)),
        (seen(0, 0, width=40), seen(0, 0, width=40)),  # too narrow
        *[
            ((128 + 100 * np.sin(np.mgrid[0:128, 0:128].sum(axis=0) * np.pi / 4)).astype(np.uint8),) * 2
        ],  # drawn, no yarn differs
    ],
)
def test_what_cannot_be_told_is_not(left: np.ndarray, right: np.ndarray) -> None:
    assert compare(strip(left), strip(right))[0] is None


class Cameras:
    """Two line-scan cameras as the worker sees them."""

    def __init__(self, dx: int = 0, **right: Any) -> None:
        self.overlaps = Overlaps(4)
        self.dx, self.right = dx, right

    def show(self, camera: str, number: int, now_ns: int = 0, early: int = 0) -> list[Alignment]:
        """A frame; the right camera is `dx` px off, and `early` frames ahead on the cloth."""
        row = (number + early) * ROWS
        column, beside = (0, {}) if camera == "left" else (BESIDE_PX + self.dx, {"x_offset_mm": BESIDE_PX * MM, **self.right})
        frame = Frame.model_validate({
            "camera": camera, "boot_id": "b", "seq": number, "t_mono_ns": 0, "t_utc_ns": 0, "block_id": 0, "start_mm": row * MM,
            "end_mm": row * MM + STEP, "mm_per_px_x": MM, "mm_per_px_y": MM, "shape": (ROWS, WIDTH), "pixel_format": "Mono8",
            **beside,
        })  # fmt: skip
        return self.overlaps.look(frame, seen(row, column, seed=len(camera)), now_ns)


def test_neighbours_are_compared_every_ten_seconds() -> None:
    cameras = Cameras(dx=5)
    assert [cameras.show(c, 0) for c in ("left", "right")] == [[], []]  # nobody knew of a neighbour yet
    assert cameras.show("left", 1) == []
    (found,) = cameras.show("right", 1)
    assert (found.left, found.right, found.generation, found.number) == ("left", "right", 4, 0)
    assert found.across_mm == pytest.approx(-1.0, abs=0.1) and found.along_mm == pytest.approx(0, abs=0.1)
    assert [cameras.show(c, n, INTERVAL_NS - 1) for n in (2, 3) for c in ("left", "right")] == [[]] * 4
    assert cameras.show("right", 4, INTERVAL_NS) == []
    (again,) = cameras.show("left", 4, INTERVAL_NS)
    assert again.number == 1 and again.across_mm == pytest.approx(-1.0, abs=0.1)


@pytest.mark.parametrize("early", [-20, 20])
def test_the_cloth_of_one_waits_for_the_other(early: int) -> None:
    cameras = Cameras()
    found = [a for n in range(25) for c in ("left", "right") for a in cameras.show(c, n, early=early if c == "right" else 0)]
    assert len(found) == 1 and found[0].across_mm == pytest.approx(0, abs=0.1)
    kept = cameras.overlaps._pairs["left", "right"].strips
    assert all(len(strips) <= STRIPS for strips in kept.values())


@pytest.mark.parametrize(
    "right", [{"x_offset_mm": 51.2}, {"start_mm": None, "end_mm": None}, {"mm_per_px_y": None}, {"mm_per_px_x": None}]
)
def test_cameras_without_an_overlap_or_a_scale_are_left_alone(right: dict[str, Any]) -> None:
    cameras = Cameras(**right)
    assert [cameras.show(c, n) for n in range(3) for c in ("left", "right")] == [[]] * 6
    assert cameras.overlaps._pairs == {}


def found(across_mm: float | None, along_mm: float | None = 0.0, number: int = 0) -> Alignment:
    return Alignment(
        number=number,
        generation=0,
        left="a",
        right="b",
        place_mm=0,
        across_mm=across_mm,
        along_mm=along_mm,
        fit=0.9,
        t_mono_ns=0,
    )


def test_one_odd_comparison_warns_nobody_and_two_do_until_one_is_right_again() -> None:
    apart = Apart(2.0)
    for across_mm, along_mm, warned in [
        (0.1, 0.1, 0), (3.0, 0.0, 0), (0.0, 0.0, 0), (3.0, 0.0, 0), (None, None, 0), (0.0, -2.5, 1), (9.0, 0.0, 1),
        (2.0, -2.0, 0),
    ]:  # fmt: skip
        apart.hear(found(across_mm, along_mm))
        assert len(apart.warnings) == warned


def test_the_line_warns_and_the_record_holds_every_comparison() -> None:
    bench = Bench(cameras=("a", "b"), alignment_tolerance_mm=1.0)
    for number in range(2):
        bench.inbox.send(found(-1.5, 0.2, number))
    state: LineState = bench.state()
    assert (state.state, state.inspection_ok) == (State.DEGRADED, False)  # no camera has judged cloth yet
    for camera in ("a", "b"):
        bench.announce(0, camera)
        bench.score(0, camera=camera)
    state = bench.state()
    assert state.detail.startswith("b looks -1.5 mm across and +0.2 mm along from where it should beside a, align them again")
    assert (state.state, state.inspection_ok) == (State.DEGRADED, True)
    assert bench.recorder.take(Alignment) == bench.air.take(Alignment) != []


def test_cameras_that_no_line_has_are_forgotten_again() -> None:
    cameras = Cameras()
    cameras.show("left", 0)
    shown, pixels = cameras.overlaps._last["left"], np.zeros((ROWS, WIDTH), np.uint8)
    for n in range(100):
        cameras.overlaps.look(shown.model_copy(update={"camera": f"x{n}", "x_offset_mm": 0.1 * n}), pixels, n)
    assert len(cameras.overlaps._last) <= 16 and len(cameras.overlaps._pairs) <= 16 * 15


def test_scales_that_no_two_neighbours_have_are_not_compared() -> None:
    assert compare(strip(seen(0, 0)), strip(seen(0, 0), mm=10 * MM)) == (None, 0.0)
