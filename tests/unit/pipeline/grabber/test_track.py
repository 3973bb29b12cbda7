"""The track of a line-scan camera: rows lie where the encoder says, and rows that disagree with it are found."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grabber.track import Ran, Track

STEP_MM, ROWS = 0.2, 100  # 20 mm a buffer


def track(tolerance_mm: float = 10.0) -> Track:
    return Track(STEP_MM, tolerance_mm)


@given(st.lists(st.floats(-3, 3), min_size=30, max_size=60), st.floats(0.98, 1.02))
def test_trembling_arrivals_do_not_shake_the_rows_nor_does_a_false_pitch_lead_away(noise: list[float], scale: float) -> None:
    t = track()
    for i, tremble in enumerate(noise):
        assert t.add(i * ROWS, ROWS, (i + 1) * 20 * scale + tremble, latched=False) is Ran.FORWARD
        end = t.mm((i + 1) * ROWS)
        assert end is not None and abs(end - (i + 1) * 20 * scale) < 3 + 0.4 / 0.1  # the pitch's error, over the share followed
    edges = [t.mm(row) for row in range(0, len(noise) * ROWS, 10)]
    assert all(a is not None and b is not None and a < b for a, b in pairwise(edges))


def test_latched_counts_are_followed_at_once() -> None:
    t = track()
    ends = [20.0, 40.4, 60.0, 81.0]
    for i, end in enumerate(ends):
        t.add(i * ROWS, ROWS, end, latched=True)
    assert [t.mm((i + 1) * ROWS) for i in range(4)] == ends
    assert (
        t.mm(150) == pytest.approx(30.2)
        and t.mm(0) == 0
        and t.mm(450) == pytest.approx(91.0)
        and t.mm(-10) == pytest.approx(-2)
    )


@pytest.mark.parametrize("share", [0.0, 0.9, 1.1, 2.0])
@pytest.mark.parametrize("latched", [True, False])
def test_missed_and_spurious_counts_are_found(share: float, latched: bool) -> None:
    t = track()
    ran = [t.add(i * ROWS, ROWS, 20 + i * 20 * share, latched) for i in range(40)]
    assert Ran.ASTRAY in ran and ran[0] is Ran.FORWARD
    assert "rows are 20.0 mm, the encoder says" in _first_error(share, latched)


def _first_error(share: float, latched: bool) -> str:
    t = track()
    for i in range(40):
        t.add(i * ROWS, ROWS, 20 + i * 20 * share, latched)
        if t.error:
            return t.error
    return ""


def test_reverse_is_told_from_forward_and_in_both_the_turns() -> None:
    t = track()
    ends = [20, 40, 60, 45, 25, 5, 15, 35, 55, 75]
    ran = [t.add(i * ROWS, ROWS, float(end), latched=True) for i, end in enumerate(ends)]
    f, b, t_ = Ran.FORWARD, Ran.BACK, Ran.TURNED
    assert ran == [f, f, f, t_, b, b, t_, f, f, f]


def test_lost_buffers_are_no_disagreement() -> None:
    t = track()
    t.add(0, ROWS, 20.0, latched=True)
    assert t.add(5 * ROWS, ROWS, 120.0, latched=True) is Ran.FORWARD
    assert t.mm(3 * ROWS) == pytest.approx(60)
