"""How far a defect reaches: the width at half maximum of the answer before the sigmoid, whatever the defect's strength."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glass_core.pictures.extent import extents

GOOD, ROWS, COLS = -1.0, 20, 40


def scores(answers: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-answers.astype(np.float64)))).astype(np.float32)


def disc(height: float, x: float, y: float, radius: float) -> np.ndarray:
    """Answers that fall from `height` above good cloth in the middle to half of it at the radius, in cells."""
    rows, cols = np.mgrid[:ROWS, :COLS] + 0.5
    distance = np.hypot(cols - x, rows - y)
    return np.asarray(GOOD + height * 0.5 ** ((distance / radius) ** 2))


def extent(answers: np.ndarray, threshold: float) -> tuple[float, float, float, float]:
    score_map = scores(answers)
    labels = (score_map > threshold).astype(np.int32)
    rows, cols = np.nonzero(labels)
    box = (int(cols.min()), int(rows.min()), int(cols.max()) + 1, int(rows.max()) + 1)
    return extents(score_map, labels, [(1, box)])[0]


@given(st.floats(3, 12), st.floats(10, 30), st.floats(8, 12), st.floats(2, 6))
def test_a_defect_is_as_large_as_it_is_however_strong(height: float, x: float, y: float, radius: float) -> None:
    left, top, right, bottom = extent(disc(height, x, y, radius), threshold=float(scores(np.array(GOOD + 0.7 * height))))
    assert (right - left) / 2 == pytest.approx(radius, abs=0.35) and (bottom - top) / 2 == pytest.approx(radius, abs=0.35)
    assert (left + right) / 2 == pytest.approx(x, abs=0.1) and (top + bottom) / 2 == pytest.approx(y, abs=0.1)


def test_the_plain_way_gives_the_same() -> None:
    """Smoothed, each row and column's maximum, and step by step outwards, in float64."""
    answers = disc(5.0, 17.3, 9.1, 3.4) + np.random.default_rng(0).normal(0, 0.2, (ROWS, COLS))
    padded = np.pad(answers, 1, mode="edge")
    smooth = sum(
        wy * wx * padded[dy : dy + ROWS, dx : dx + COLS]
        for dy, wy in enumerate((0.25, 0.5, 0.25))
        for dx, wx in enumerate((0.25, 0.5, 0.25))
    )
    steps = smooth - np.median(smooth)
    high = np.argwhere(scores(answers) > scores(np.array(GOOD + 3.0)))
    (y0, x0), (y1, x1) = high.min(axis=0), high.max(axis=0) + 1
    expected = []
    for profile, first, last in ((steps[y0:y1].max(axis=0), x0, x1), (steps[:, x0:x1].max(axis=1), y0, y1)):  # type: ignore[index]
        half = profile[first:last].max() / 2
        inside = [i for i in range(first, last) if profile[i] > half]
        low, up = inside[0], inside[-1]
        while profile[low - 1] > half:
            low -= 1
        while profile[up + 1] > half:
            up += 1
        expected += [
            low - 0.5 + (half - profile[low - 1]) / (profile[low] - profile[low - 1]),
            up + 0.5 + (profile[up] - half) / (profile[up] - profile[up + 1]),
        ]
    found = extent(answers, float(scores(np.array(GOOD + 3.0))))
    assert (found[0], found[2], found[1], found[3]) == pytest.approx(expected, abs=1e-3)


def test_a_neighbour_is_not_counted_in_and_the_edge_ends_it() -> None:
    answers = np.full((ROWS, COLS), GOOD)
    answers[5:8, 10:14] = answers[5:8, 16:20] = answers[12:, :3] = 6.0
    score_map = scores(answers)
    labels = np.zeros((ROWS, COLS), np.int32)
    labels[5:8, 10:14], labels[5:8, 16:20], labels[12:, :3] = 1, 2, 3
    first, corner = extents(score_map, labels, [(1, (10, 5, 14, 8)), (3, (0, 12, 3, ROWS))])
    assert first == pytest.approx((10, 5, 14, 8), abs=0.6)
    assert corner == pytest.approx((0, 12, 3, ROWS), abs=0.6) and corner[::3] == (0.0, ROWS)


@pytest.mark.parametrize(("height", "at", "alone"), [(3.0, 21, False), (8.0, 21, True), (3.0, 24, True)])
def test_what_cells_at_its_foot_see_of_a_defect_is_not_beyond_it(height: float, at: int, alone: bool) -> None:
    """Unless it is half as strong, or farther away than cells see."""
    answers = np.full((ROWS, COLS), GOOD)
    answers[8:12, 14:20], answers[8:12, at : at + 2] = GOOD + 9, GOOD + height
    labels = np.zeros((ROWS, COLS), np.int32)
    labels[8:12, 14:20], labels[8:12, at : at + 2] = 1, 2
    strong, weak = extents(scores(answers), labels, [(1, (14, 8, 20, 12)), (2, (at, 8, at + 2, 12))])
    assert (weak[2] > strong[2]) is alone
    assert alone or (strong[0] <= weak[0] <= weak[2] <= strong[2] and strong[1] <= weak[1] <= weak[3] <= strong[3])


def test_saturated_and_masked_cells_measure_too() -> None:
    score_map = np.full((ROWS, COLS), 0.3, np.float32)
    score_map[:, 30:] = 0.0  # beside the cloth
    score_map[4:6, 4:9] = 1.0
    labels = (score_map > 0.9).astype(np.int32)
    assert extents(score_map, labels, [(1, (4, 4, 9, 6))])[0] == pytest.approx((4, 4, 9, 6), abs=0.6)
    dark = np.zeros((3, 3), np.float32)
    assert extents(dark, np.ones((3, 3), np.int32), [(1, (0, 0, 3, 3))]) == [(0, 0, 3, 3)]
