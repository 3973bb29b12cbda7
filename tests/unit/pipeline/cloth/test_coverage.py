"""Metres inspected, against a brute-force raster of millimetres."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cloth.coverage import Coverage, Intervals

CAMERAS = ["left", "right"]
REASONS = ["NO_SCORE", "DAMAGED"]
reports = st.lists(
    st.tuples(st.sampled_from(CAMERAS), st.integers(-20, 120), st.integers(0, 30), st.booleans(), st.sampled_from(REASONS)),
    max_size=40,
)


def raster(all_reports: list[tuple[str, int, int, bool, str]]) -> tuple[set[int], dict[int, str], dict[str, set[int]]]:
    """Inspected mm, reason of each mm that is not, judged mm per camera: one millimetre at a time."""
    judged: dict[str, set[int]] = {c: set() for c in CAMERAS}
    reason: dict[int, str] = {}
    for camera, start, length, ok, why in all_reports:
        for mm in range(start, start + length):
            if ok:
                judged[camera].add(mm)
            else:
                reason.setdefault(mm, why)
    inspected = set.intersection(*judged.values())
    seen = set.union(*judged.values()) | set(reason)
    return inspected, {mm: reason.get(mm, "NO_FRAME") for mm in seen - inspected}, judged


def check(coverage: Coverage, all_reports: list[tuple[str, int, int, bool, str]]) -> None:
    inspected, missed, judged = raster(all_reports)
    assert coverage.inspected_mm == len(inspected)
    assert coverage.not_inspected_mm == len(missed)
    assert coverage.reasons_mm == {why: list(missed.values()).count(why) for why in set(missed.values())}
    assert {c: coverage.per_camera_mm(c) for c in CAMERAS} == {c: len(judged[c]) for c in CAMERAS}
    assert coverage.behind_mm == 0


@given(reports)
@settings(max_examples=200, deadline=None)
def test_agrees_with_the_raster_in_any_order_and_overlap(all_reports: list[tuple[str, int, int, bool, str]]) -> None:
    coverage = Coverage(CAMERAS)
    for camera, start, length, ok, why in all_reports:
        coverage.add(camera, start, start + length, ok, why)
    check(coverage, all_reports)
    listed = {mm: why for start, end, why in coverage.not_inspected() for mm in range(round(start), round(end))}
    assert listed == raster(all_reports)[1]


@given(reports)
@settings(max_examples=200, deadline=None)
def test_settling_changes_no_total(all_reports: list[tuple[str, int, int, bool, str]]) -> None:
    """Reports advance 7 mm each; disorder reaches back 140 mm at most, less than the 200 mm kept."""
    moved = [(c, start + 7 * i, length, ok, why) for i, (c, start, length, ok, why) in enumerate(all_reports * 5)]
    coverage = Coverage(CAMERAS, keep_mm=200)
    for camera, start, length, ok, why in moved:
        coverage.add(camera, start, start + length, ok, why)
    check(coverage, moved)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=30), st.integers(0, 60), st.integers(0, 60))
def test_intervals_stay_sorted_disjoint_and_know_their_gaps(spans: list[tuple[int, int]], a: int, b: int) -> None:
    held, points = Intervals(), set()
    for start, length in spans:
        held.add(start, start + length)
        points |= set(range(start, start + length))
    edges = [edge for span in held for edge in span]
    assert edges == sorted(set(edges)), "touching intervals must have become one"
    assert {p for s, e in held for p in range(s, e)} == points
    assert {p for s, e in held.gaps(a, b) for p in range(s, e)} == set(range(a, b)) - points


def test_memory_is_bounded_on_an_endless_web_full_of_gaps() -> None:
    coverage = Coverage(CAMERAS, keep_mm=100)
    for i in range(5000):
        coverage.add("left", 2 * i, 2 * i + 1, True, "")
        coverage.add("right", 2 * i, 2 * i + 1, i % 2 == 0, "DAMAGED")
    assert sum(len(list(own)) for own in coverage._judged.values()) < 300
    assert coverage.inspected_mm == 2500
    assert coverage.reasons_mm == {"DAMAGED": 2500}


def test_edges_that_differ_by_float_noise_leave_no_sliver() -> None:
    coverage = Coverage(["one"])
    for i in range(1000):
        coverage.add("one", i * 0.1, (i + 1) * 0.1, True, "")
    coverage.add("one", 100.0, 100.1, False, "NO_SCORE")
    assert coverage.inspected_mm == 100
    assert coverage.reasons_mm == {"NO_SCORE": 0.1}
    assert len(list(coverage._judged["one"])) == 1


def test_a_camera_that_says_nothing_makes_the_metre_no_frame() -> None:
    coverage = Coverage(CAMERAS)
    coverage.add("left", 0, 50, True, "")
    assert (coverage.inspected_mm, coverage.reasons_mm) == (0, {"NO_FRAME": 50})
    coverage.add("right", 0, 50, True, "")
    assert (coverage.inspected_mm, coverage.reasons_mm) == (50, {})


def test_a_reversing_frame_counts_and_a_report_from_far_behind_is_added_up_apart() -> None:
    coverage = Coverage(["one"], keep_mm=10)
    coverage.add("one", 5, 0, True, "")
    coverage.add("one", 50, 60, True, "")
    coverage.add("one", 45, 52, True, "")
    coverage.add("one", 1, 4, True, "")
    assert (coverage.inspected_mm, coverage.behind_mm) == (15, 8)


def test_no_camera_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one camera"):
        Coverage([])


@pytest.mark.parametrize("judged", [True, False])
def test_a_report_of_no_cloth_far_away_leaves_all_as_it_was(judged: bool) -> None:
    coverage = Coverage(["c"], keep_mm=100.0)
    coverage.add("c", -50.0, 50.0, True, "")
    coverage.add("c", 9000.0, 9000.0, judged, "LOST")
    coverage.add("c", 50.0, 80.0, True, "")
    coverage.add("c", -60.0, -50.0, False, "LATE")
    assert (coverage.inspected_mm, coverage.behind_mm, coverage.reasons_mm) == (130, 0, {"LATE": 10})
