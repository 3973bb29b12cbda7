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
from pipeline.grading.rules import INCH_MM, YARD_MM

WIDTH_MM = 1500.0
INCH, MM = Rules(), Rules(rules="d5430-mm-1")


def flaw(number: int, at_mm: float, length_mm: float, wide_mm: float = 1.0, left_mm: float = 700.0, **facts: Any) -> Flaw:
    return Flaw(number, at_mm, at_mm + length_mm, left_mm, left_mm + wide_mm, **facts)


def graded(flaws: list[Flaw], rules: Rules = INCH, inspected_mm: float = 100_000.0, unseen_mm: float = 0.0) -> Grade:
    return grade(flaws, rules, 0.0, inspected_mm, unseen_mm, (0.0, WIDTH_MM))


def roll_of(counts: dict[float, int], yards: float, width_in: float, holes: int = 0) -> Grade:
    """A roll of the trade's examples: so many defects of each length (inch), one to a yard; holes of 2 inches."""
    lengths = [length for length, n in counts.items() for _ in range(n)]
    flaws = [flaw(n, n * YARD_MM, length * INCH_MM, left_mm=500.0) for n, length in enumerate(lengths)]
    flaws += [flaw(100 + n, (50 + n) * YARD_MM, 2 * INCH_MM, left_mm=500.0, kind="hole") for n in range(holes)]
    return grade(flaws, INCH, 0.0, yards * YARD_MM, 0.0, (0.0, width_in * INCH_MM))


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
        assert Rules(accept=per_yd2).accept_per_100_m2 == pytest.approx(per_m2, abs=0.05)
    assert MM.accept_per_100_m2 == 48


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
     ("any", "pinhole", 1, 4), ("not_pinhole", "hole", 1, 4), ("not_pinhole", "pinhole", 1, 1), ("any", None, 1, 1)],
)  # fmt: skip
def test_the_three_hole_rules(holes: Any, kind: Any, length_mm: float, points: int) -> None:
    assert graded([flaw(1, 0, length_mm, kind=kind)], Rules(holes=holes)).points == points


@pytest.mark.parametrize(("rules", "points"), [(INCH, 16), (MM, 12)])
def test_a_running_defect_has_four_points_in_each_yard_or_metre(rules: Rules, points: int) -> None:
    result = graded([flaw(1, 500.0, 3000.0)], rules)  # 3 m are 3.28 yd
    assert result.points == points
    assert result.lines[0].rule.startswith("running through")


def test_the_cap_is_four_in_a_yard_or_metre_and_is_shown() -> None:
    result = graded([flaw(n, 100.0 * n, 100.0) for n in range(12)])  # 2 points each: 10 in yard 0, 2 in yard 1
    assert (result.points, result.capped) == (4 + 4, ((0, 20),))
    assert sum(line.points for line in result.lines) == 24
    assert graded([flaw(n, 100.0 * n, 100.0) for n in range(12)], MM).capped == ((0, 20),)


def test_edges_and_dispositions_give_no_points_but_stay_in_the_arithmetic() -> None:
    flaws = [flaw(1, 0, 5, left_mm=24.4), flaw(2, 2000, 5, left_mm=24.5), flaw(3, 4000, 5, left_mm=1474.6),
             flaw(4, 6000, 5, pardoned="lint")]  # fmt: skip
    result = graded(flaws)
    assert [line.points for line in result.lines] == [0, 1, 0, 0]
    assert result.lines[3].rule == "lint"


def test_cloth_not_inspected_is_never_good() -> None:
    one = [flaw(1, 0, 5)]
    assert graded(one).quality == "first"
    few = graded(one, unseen_mm=500.0)
    assert (few.quality, few.not_inspected_m) == ("first", 0.5)
    assert few.worst_per_100_m2 is not None and few.per_100_m2 is not None
    assert few.worst_per_100_m2 == pytest.approx(5 * 1e8 / (100_500 * WIDTH_MM))
    assert few.per_100_m2 == pytest.approx(1e8 / (100_000 * WIDTH_MM))
    assert graded(one, inspected_mm=10_000.0, unseen_mm=5000.0).quality == "open"
    assert graded([], inspected_mm=0.0, unseen_mm=5000.0).quality == "open"
    assert graded(one, inspected_mm=1e6, unseen_mm=10_000.0).quality == "open"  # long enough for a running defect
    many = [flaw(n, 1000.0 * n, 300.0) for n in range(40)]
    assert graded(many, inspected_mm=40_000.0).quality == "second"


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


@given(FLAWS, st.sampled_from([INCH, MM]), st.floats(0, 20_000))
def test_what_holds_for_any_roll(flaws: list[Flaw], rules: Rules, unseen_mm: float) -> None:
    flaws = [replace(f, number=n) for n, f in enumerate(flaws)]
    result = graded(flaws, rules, unseen_mm=unseen_mm)
    assert graded(flaws[::-1], rules, unseen_mm=unseen_mm) == result
    last_mm = max((f.end_mm for f in flaws), default=0.0)
    assert 0 <= result.points <= 4 * (math.ceil(last_mm / rules.cap_mm) + 1)
    assert result.points <= sum(line.points for line in result.lines)
    assert result.per_100_m2 is not None and result.worst_per_100_m2 is not None
    more = graded([*flaws, flaw(99, 80_000, 10)], rules, unseen_mm=unseen_mm)
    assert more.points == result.points + 1
    pardoned = [replace(f, pardoned="lint") for f in flaws]
    assert graded(pardoned, rules).points == 0
    if result.quality == "first":
        assert result.worst_per_100_m2 <= rules.accept_per_100_m2 + 1e-6


@given(st.floats(0.1, 5000), st.floats(0, 5000), st.floats(0, 3000), st.sampled_from([INCH, MM]))
def test_points_grow_with_length_and_do_not_depend_on_place(
    length_mm: float, more_mm: float, at_mm: float, rules: Rules
) -> None:
    here = graded([flaw(1, 0, length_mm)], rules).points
    assert graded([flaw(1, at_mm, length_mm)], rules).points == here
    assert graded([flaw(1, 0, length_mm + more_mm)], rules).points >= here
