"""Four points: the published check values, every rule and variant, and what must hold for any roll."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.grading import Flaw, Grade, Rules, grade
from pipeline.grading.flaws import Stretch
from pipeline.grading.rules import INCH_MM, YARD_MM

WIDTH_MM = 1500.0
INCH, MM = Rules(), Rules(rules="d5430-mm-1")


def flaw(number: int, at_mm: float, length_mm: float, wide_mm: float = 1.0, left_mm: float = 700.0, **facts: Any) -> Flaw:
    return Flaw(number, at_mm, at_mm + length_mm, left_mm, left_mm + wide_mm, **facts)


def graded(
    flaws: list[Flaw], rules: Rules = INCH, inspected_mm: float = 100_000.0, unseen: list[Stretch] | None = None
) -> Grade:
    return grade(flaws, rules, 0.0, inspected_mm, unseen or [], (0.0, WIDTH_MM))


def roll_of(counts: dict[float, int], yards: float, width_in: float, holes: int = 0) -> Grade:
    """A roll of the trade's examples: so many defects of each length (inch), one to a yard; holes of 2 inches."""
    lengths = [length for length, n in counts.items() for _ in range(n)]
    flaws = [flaw(n, n * YARD_MM, length * INCH_MM, left_mm=500.0) for n, length in enumerate(lengths)]
    flaws += [flaw(100 + n, (50 + n) * YARD_MM, 2 * INCH_MM, left_mm=500.0, kind="hole") for n in range(holes)]
    return grade(flaws, INCH, 0.0, yards * YARD_MM, [], (0.0, width_in * INCH_MM))


def test_published_examples() -> None:
    """120 yd x 46 in; 150 yd x 56 in; 130 yd x 45 in (the page prints 18.4)."""
    first = roll_of({2: 4, 5: 3, 8: 2, 12: 1}, 120, 46, holes=1)
    assert first.points == 4 * 1 + 3 * 2 + 2 * 3 + 1 * 4 + 1 * 4 == 24
    assert first.per_100_yd2 == pytest.approx(24 * 3600 / (120 * 46)) == pytest.approx(15.652, abs=5e-4)
    assert roll_of({12: 7}, 150, 56).per_100_yd2 == pytest.approx(12.0)
    assert roll_of({12: 7, 5: 1}, 130, 45).per_100_yd2 == pytest.approx(18.46, abs=5e-3)


def test_published_metric_example_with_its_sum_put_right() -> None:
    """100 m x 1500 mm: the page lists 29 points, divides 28 and prints 19."""
    flaws = [flaw(n, n * 1000.0, 300.0) for n in range(7)] + [flaw(7, 8000.0, 10.0)]
    result = graded(flaws, MM)
    assert (result.points, result.per_100_m2) == (29, pytest.approx(19.33, abs=5e-3))


def test_units() -> None:
    for per_yd2, per_m2 in ((1, 1.196), (40, 47.8), (28, 33.5), (20, 23.9)):
        assert Rules(accept=per_yd2).accept_per_100_m2(WIDTH_MM) == pytest.approx(per_m2, abs=0.05)
    assert MM.accept_per_100_m2(WIDTH_MM) == 48


@pytest.mark.parametrize(
    ("rules", "length_mm", "points"),
    [(INCH, 1, 1), (INCH, 76.2, 1), (INCH, 76.3, 2), (INCH, 152.4, 2), (INCH, 152.5, 3), (INCH, 228.6, 3), (INCH, 228.7, 4),
     (MM, 75, 1), (MM, 76.2, 2), (MM, 150, 2), (MM, 150.1, 3), (MM, 230, 3), (MM, 230.1, 4)],
)  # fmt: skip
def test_length_gives_points_along_or_across(rules: Rules, length_mm: float, points: int) -> None:
    assert graded([flaw(1, 0, length_mm)], rules).points == points
    assert graded([flaw(1, 0, 1.0, wide_mm=length_mm, left_mm=100.0)], rules).points == points


@pytest.mark.parametrize(
    ("holes", "kind", "length_mm", "points"),
    [("by_size", "hole", 25.4, 2), ("by_size", "hole", 25.5, 4), ("by_size", "pinhole", 1, 2), ("any", "hole", 1, 4),
     ("any", "pinhole", 1, 4), ("not_pinhole", "hole", 1, 4), ("not_pinhole", "pinhole", 1, 1), ("any", None, 1, 1),
     ("any", "holed selvage", 1, 1)],
)  # fmt: skip
def test_the_three_hole_rules(holes: Any, kind: Any, length_mm: float, points: int) -> None:
    assert graded([flaw(1, 0, length_mm, kind=kind)], Rules(holes=holes)).points == points


@pytest.mark.parametrize(
    ("from_yd", "to_yd", "points"),
    [(0.5, 1.5, 8), (0.9, 2.1, 12), (0, 1, 4), (1, 2, 4), (3.999, 7.001, 20), (0.9, 1.1, 3), (0.87, 1.13, 8), (0.99, 1.01, 1)],
)
def test_a_running_defect_has_four_points_in_each_yard_that_it_occupies(from_yd: float, to_yd: float, points: int) -> None:
    for start_mm in (0.0, 12_345.678):
        at = start_mm + from_yd * YARD_MM
        found = grade([flaw(1, at, (to_yd - from_yd) * YARD_MM)], INCH, start_mm, 1e5, [], (0.0, WIDTH_MM))
        assert found.points == found.lines[0].points == points
        assert found.lines[0].rule.startswith("running through") == (points > 4)


def test_a_running_defect_has_four_points_in_each_metre() -> None:
    assert graded([flaw(1, 500.0, 3000.0)], MM).points == 16
    assert graded([flaw(1, 1000.0, 3000.0)], MM).points == 12


def test_a_wide_defect_that_lies_across_two_yards_does_not_run() -> None:
    assert graded([flaw(1, YARD_MM - 3, 5, wide_mm=1400.0, left_mm=50.0)]).points == 4


def test_the_cap_is_four_in_a_yard_or_metre_and_is_shown() -> None:
    result = graded([flaw(n, 100.0 * n, 100.0) for n in range(12)])  # 2 points each: 10 in yard 0, 2 in yard 1
    assert (result.points, result.capped) == (4 + 4, ((0, 20),))
    assert sum(line.points for line in result.lines) == 24
    assert graded([flaw(n, 100.0 * n, 100.0) for n in range(12)], MM).capped == ((0, 20),)


@pytest.mark.parametrize("start_mm", [-700.0, 0.0, 250.0, 12_345.6])
def test_yards_and_metres_are_counted_from_the_start_of_the_roll_wherever_that_is(start_mm: float) -> None:
    def at(*places_m: float) -> Grade:
        flaws = [flaw(n, start_mm + 1000 * place, 100.0) for n, place in enumerate(places_m)]
        return grade(flaws, MM, start_mm, 1e5, [(start_mm + 4900.0, start_mm + 5050.0)], (0.0, WIDTH_MM))

    within = at(2.0, 2.4, 2.9)
    assert (within.points, within.capped) == (4, ((2, 6),))
    across = at(1.9, 2.0, 2.1)  # 2 in one metre, 4 in the next
    assert (across.points, across.capped) == (6, ())
    assert [round(line.at_mm) for line in across.lines] == [1900, 2000, 2100]
    assert (across.unseen, across.worst_points) == (2, 6 + 8)
    running = grade([flaw(1, start_mm + 900, 300.0)], MM, start_mm, 1e5, [], (0.0, WIDTH_MM))
    assert running.points == 8 and running.lines[0].rule == "running through 2 metres"


@pytest.mark.parametrize("edges_mm", [(0.0, 1500.0), (400.0, 1900.0), (-900.0, 600.0)])
def test_the_width_is_the_contracts_or_what_lies_between_the_edges(edges_mm: tuple[float, float]) -> None:
    for rules, width_mm in ((Rules(), 1500.0), (Rules(width_mm=1400.0), 1400.0)):
        found = grade([flaw(1, 0.0, 5.0, left_mm=edges_mm[0] + 600)], rules, 0.0, 80_000.0, [(0.0, 20_000.0)], edges_mm)
        assert found.width_mm == width_mm and found.inspected_m == 80.0
        assert found.per_100_m2 == pytest.approx(1e8 / (80_000 * width_mm))
        assert found.per_100_yd2 == pytest.approx(found.per_100_m2 * 0.83612736)
        assert found.worst_per_100_m2 == pytest.approx(found.worst_points * 1e8 / (100_000 * width_mm))


@pytest.mark.parametrize(("inspected_mm", "edges_mm"), [(0.0, (0.0, WIDTH_MM)), (1e5, (700.0, 700.0))])
def test_of_cloth_without_an_area_that_was_seen_nothing_is_told_by_area(
    inspected_mm: float, edges_mm: tuple[float, float]
) -> None:
    found = grade([], INCH, 0.0, inspected_mm, [(0.0, 5000.0)], edges_mm)
    assert (found.per_100_yd2, found.per_100_m2, found.worst_per_100_m2) == (None, None, None)
    assert (found.quality, found.because) == ("open", "nothing was inspected")
    least = grade([], INCH, 0.0, 0.5, [], (0.0, 0.5))
    assert (least.per_100_m2, least.worst_per_100_m2, least.quality) == (0.0, 0.0, "first")


@pytest.mark.parametrize(("wide_mm", "quality"), [(WIDTH_MM - 60.1, "first"), (WIDTH_MM - 60.0, "second")])
def test_a_defect_is_over_the_whole_width_where_it_reaches_both_edges(wide_mm: float, quality: str) -> None:
    rules = Rules(edge_mm=30.0, reject_full_width=0, accept=1e6)
    assert graded([flaw(1, 500.0, 4.0, wide_mm, left_mm=10.0)], rules).quality == quality


def test_unseen_cloth_of_one_yard_and_of_two_is_said_in_words() -> None:
    rules = Rules(accept=0.001)
    for length_mm, words in ((100.0, "1 yard holds cloth not inspected"), (1000.0, "2 yards hold cloth not inspected")):
        found = graded([], rules, 1e5, [(-20.0 + 3 * YARD_MM + 30.0, 3 * YARD_MM + 10.0 + length_mm)])
        assert found.quality == "open" and found.because.startswith(words)


@pytest.mark.parametrize("pardoned", ["", "lint"])
def test_only_what_counts_may_reject_a_roll(pardoned: str) -> None:
    """One defect along the roll and one over its width: either would make it second, and neither where it is pardoned."""
    long = flaw(1, 3000.0, 9200.0, wide_mm=20.0, pardoned=pardoned)
    wide = flaw(2, 30_000.0, 5.0, wide_mm=WIDTH_MM, left_mm=0.0, pardoned=pardoned)
    for each in (long, wide):
        found = graded([each], Rules(reject_full_width=0, accept=1e6), 1e6)
        assert found.quality == ("first" if pardoned else "second")


def test_edges_and_dispositions_give_no_points_but_stay_in_the_arithmetic() -> None:
    flaws = [flaw(1, 0, 5, left_mm=24.4), flaw(2, 2000, 5, left_mm=24.5), flaw(3, 4000, 5, left_mm=1474.6),
             flaw(4, 6000, 5, pardoned="lint")]  # fmt: skip
    result = graded(flaws)
    assert [line.points for line in result.lines] == [0, 1, 0, 0]
    assert result.lines[3].rule == "lint"


def test_cloth_not_inspected_is_never_good() -> None:
    one = [flaw(1, 0, 5)]
    assert graded(one).quality == "first"
    few = graded(one, unseen=[(50 * YARD_MM, 50 * YARD_MM + 500)])
    assert (few.quality, few.not_inspected_m, few.unseen, few.worst_points) == ("first", 0.5, 1, 5)
    assert few.worst_per_100_m2 is not None and few.per_100_m2 is not None
    assert few.worst_per_100_m2 == pytest.approx(5 * 1e8 / (100_500 * WIDTH_MM))
    assert few.per_100_m2 == pytest.approx(1e8 / (100_000 * WIDTH_MM))
    assert graded(one, inspected_mm=10_000.0, unseen=[(0, 5000)]).quality == "open"
    assert graded([], inspected_mm=0.0, unseen=[(0, 5000)]).quality == "open"
    many = [flaw(n, 1000.0 * n, 300.0) for n in range(40)]
    assert graded(many, inspected_mm=40_000.0).quality == "second"


def test_short_gaps_in_many_yards_hold_more_than_a_long_one() -> None:
    """100 yd x 1500 mm, 50 defects of 1 point 1.5 yd apart, 40 gaps of 20 mm in 40 different yards."""
    flaws = [flaw(n, (1.5 * n + 0.25) * YARD_MM, 10.0) for n in range(50)]  # in 50 of the first 74 yards
    gaps = [((2 * n + 0.5) * YARD_MM, (2 * n + 0.5) * YARD_MM + 20) for n in range(40)]
    inspected_mm = 100 * YARD_MM - 800
    apart = graded(flaws, inspected_mm=inspected_mm, unseen=gaps)
    free = sum(math.floor(1.5 * n + 0.25) % 2 or math.floor(1.5 * n + 0.25) >= 80 for n in range(50))
    assert (apart.quality, apart.points, apart.unseen, apart.worst_points) == ("open", 50, 40, 160 + free)
    assert apart.worst_per_100_m2 == pytest.approx((160 + free) * 1e8 / (100 * YARD_MM * WIDTH_MM))
    assert "40 yards hold cloth not inspected" in apart.because
    together = graded(flaws, inspected_mm=inspected_mm, unseen=[(90 * YARD_MM, 90 * YARD_MM + 800)])
    assert (together.quality, together.worst_points) == ("first", 54)


def test_unseen_cloth_adds_to_what_was_found_in_its_yard_up_to_four() -> None:
    three = [flaw(1, 3 * YARD_MM, 200.0)]
    assert graded(three, unseen=[(3.9 * YARD_MM, 3.95 * YARD_MM)]).worst_points == 4
    assert graded(three, unseen=[(3.9 * YARD_MM, 4.1 * YARD_MM)]).worst_points == 8
    assert graded(three, unseen=[(4 * YARD_MM, 5 * YARD_MM), (5 * YARD_MM, 5.1 * YARD_MM)]).worst_points == 3 + 8
    moved = grade(three, INCH, 0.5 * YARD_MM, 1e5, [(3.9 * YARD_MM, 4.1 * YARD_MM)], (0.0, WIDTH_MM))
    assert moved.worst_points == 3 + 4


@pytest.mark.parametrize(
    ("unseen", "seen", "quality"),
    [
        ([(0, 10_000)], [], "open"),
        ([(2000.0 * n, 2000.0 * n + 300) for n in range(40)], [], "first"),  # 12 m, none long enough
        ([(5000, 5020)], [(0, 5000), (5020, 9500)], "open"),  # the same streak on either side
        ([(5000, 5020)], [(0, 4900), (5120, 9500)], "first"),
        ([(50_000, 50_020)], [(0, 5000), (4000, 9500)], "first"),
        ([(5000, 5020)], [(0, 9500)], "second"),
    ],
)
def test_unseen_cloth_may_hold_a_running_defect_only_where_there_is_room(
    unseen: list[Stretch], seen: list[Stretch], quality: str
) -> None:
    flaws = [flaw(n, a, b - a) for n, (a, b) in enumerate(seen)]
    assert graded(flaws, Rules(accept=1000.0), inspected_mm=1e5, unseen=unseen).quality == quality


def test_each_yard_of_unseen_cloth_may_hold_a_defect_over_the_whole_width() -> None:
    bar = [flaw(1, 0, 2.0, wide_mm=WIDTH_MM, left_mm=0.0)]
    gaps: list[Stretch] = [(10_000.0 * n, 10_000.0 * n + 5) for n in range(1, 4)]
    for allowed, quality in ((3, "open"), (4, "first")):
        assert graded(bar, Rules(reject_full_width=allowed), 1e6, gaps).quality == quality


def test_what_does_not_count_rejects_nothing() -> None:
    at_edge, pardoned = flaw(1, 0, 9200.0, left_mm=3.0), flaw(2, 0, 9200.0, wide_mm=WIDTH_MM, left_mm=0.0, pardoned="lint")
    assert graded([at_edge, pardoned], Rules(reject_full_width=0), 1e6).quality == "first"


def test_rules_that_reject_a_roll_whatever_its_points() -> None:
    assert graded([flaw(1, 0, 9200.0)], inspected_mm=1e7).quality == "second"
    assert graded([flaw(1, 0, 9200.0)], Rules(reject_running_mm=None), inspected_mm=1e7).quality == "first"
    bars = [flaw(n, 1000.0 * n, 2.0, wide_mm=WIDTH_MM, left_mm=0.0) for n in range(3)]
    assert graded(bars, Rules(reject_full_width=2), inspected_mm=1e7).quality == "second"
    assert graded(bars, Rules(reject_full_width=3), inspected_mm=1e7).quality == "first"


def test_bad_rules_are_refused() -> None:
    for bad in ({"rules": "d5430"}, {"limits_mm": (3, 2, 4)}, {"holes": "none"}, {"cap": 4}):
        with pytest.raises(ValidationError):
            Rules.model_validate(bad)


FLAWS = st.lists(
    st.builds(
        lambda at, length, wide, left: flaw(0, at, length, wide, left),
        st.floats(0, 50_000), st.floats(0.1, 20_000), st.floats(0.1, 1400), st.floats(0, 100),
    ), max_size=30,
)  # fmt: skip


@given(FLAWS, st.sampled_from([INCH, MM]), st.lists(st.floats(1, 20_000), max_size=5))
def test_what_holds_for_any_roll(flaws: list[Flaw], rules: Rules, lengths_mm: list[float]) -> None:
    flaws = [replace(f, number=n) for n, f in enumerate(flaws)]
    unseen = [(21_000.0 * n, 21_000.0 * n + mm) for n, mm in enumerate(lengths_mm)]
    result = graded(flaws, rules, unseen=unseen)
    assert graded(flaws[::-1], rules, unseen=unseen[::-1]) == result
    assert result.points <= result.worst_points <= result.points + 4 * result.unseen
    last_mm = max((f.end_mm for f in flaws), default=0.0)
    assert 0 <= result.points <= 4 * (math.ceil(last_mm / rules.cap_mm) + 1)
    assert result.points <= sum(line.points for line in result.lines)
    assert result.per_100_m2 is not None and result.worst_per_100_m2 is not None
    more = graded([*flaws, flaw(99, 130_000, 10)], rules, unseen=unseen)
    assert more.points == result.points + 1
    pardoned = [replace(f, pardoned="lint") for f in flaws]
    assert graded(pardoned, rules).points == 0
    if result.quality == "first":
        assert result.worst_per_100_m2 <= rules.accept_per_100_m2(WIDTH_MM) + 1e-6


@given(st.floats(0.1, 5000), st.floats(0, 5000), st.floats(0, 3000), st.sampled_from([INCH, MM]))
def test_points_grow_with_length_and_place_adds_a_yard_at_most(
    length_mm: float, more_mm: float, at_mm: float, rules: Rules
) -> None:
    here = graded([flaw(1, 0, length_mm)], rules).points
    assert graded([flaw(1, at_mm, length_mm)], rules).points - here in (0, 4)
    assert graded([flaw(1, 0, length_mm + more_mm)], rules).points >= here
