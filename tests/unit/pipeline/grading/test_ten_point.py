"""Ten points: the published table along and across, its cap and acceptance, and cloth that nobody saw."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.grading import Flaw, Grade, Rules, grade
from pipeline.grading.flaws import Stretch
from pipeline.grading.rules import INCH_MM, YARD_MM

TEN = Rules(rules="ten-point-1")
WIDTH_MM = 60 * INCH_MM
START_MM = 4321.5


def flaw(number: int, at_yd: float, along_in: float, across_in: float = 0.1, **facts: Any) -> Flaw:
    at_mm = START_MM + at_yd * YARD_MM
    return Flaw(number, at_mm, at_mm + along_in * INCH_MM, 50.0, 50.0 + across_in * INCH_MM, **facts)


def graded(flaws: list[Flaw], yards: float = 100.0, unseen: tuple[Stretch, ...] = (), rules: Rules = TEN) -> Grade:
    dark_mm = sum(b - a for a, b in unseen)
    dark = [(START_MM + a, START_MM + b) for a, b in unseen]
    return grade(flaws, rules, START_MM, yards * YARD_MM - dark_mm, dark, (0.0, WIDTH_MM))


@pytest.mark.parametrize(
    ("along_in", "across_in", "points"),
    [(1, 0.1, 1), (1.01, 0.1, 3), (5, 0.1, 3), (5.01, 0.1, 5), (10, 0.1, 5), (10.01, 0.1, 10), (36, 0.1, 10),
     (0.1, 1, 1), (0.1, 1.01, 3), (0.1, 5, 3), (0.1, 5.01, 5), (0.1, 10.01, 5), (0.1, 30, 5), (0.1, 30.01, 10), (0.1, 57, 10),
     (6, 3, 5), (3, 6, 5), (3, 31, 10), (12, 6, 10)],
)  # fmt: skip
def test_the_published_table(along_in: float, across_in: float, points: int) -> None:
    assert graded([flaw(1, 3.0, along_in, across_in)]).points == points


def test_the_rule_says_which_way_it_counted() -> None:
    lines = graded([flaw(1, 0, 6), flaw(2, 2, 0.1, 20), flaw(3, 4, 0.1, 31)]).lines
    assert [line.rule for line in lines] == [
        "over 127 to 254 mm along", "over 127 to 762 mm across", "over 762 mm across",
    ]  # fmt: skip


def test_of_narrow_cloth_half_the_width_is_no_less_than_five_inches() -> None:
    narrow = Flaw(1, START_MM, START_MM + 1, 20.0, 20.0 + 4 * INCH_MM)
    assert grade([narrow], TEN, START_MM, 1e5, [], (0.0, 6 * INCH_MM)).points == 3


def test_a_hole_of_any_size_has_ten_and_so_has_each_yard_of_a_running_defect() -> None:
    assert graded([flaw(1, 0, 0.2, kind="hole")]).points == 10
    assert graded([flaw(1, 0.5, 72)]).points == 30  # in three yards
    assert graded([flaw(1, 2, 36)]).points == 10


def test_a_yard_has_ten_points_at_most() -> None:
    result = graded([flaw(n, 5 + n / 10, 2) for n in range(5)])
    assert (result.points, result.capped) == (10, ((5, 15),))


def test_half_an_inch_at_the_edge_does_not_count() -> None:
    at = START_MM + 10.0
    edge = [Flaw(n, at, at + 5, right - 3, right) for n, right in ((1, 12.7), (2, 12.8), (3, WIDTH_MM))]
    assert [line.points for line in graded(edge).lines] == [0, 1, 0]


def test_first_quality_has_no_more_points_than_yards_however_wide_it_is() -> None:
    hundred = [flaw(n, 2 * n, 12) for n in range(10)]
    assert (graded(hundred).points, graded(hundred).quality) == (100, "first")
    assert graded([*hundred, flaw(11, 60, 0.5)]).quality == "second"
    assert graded(hundred, yards=99.9).quality == "second"
    wide = grade(hundred, TEN, START_MM, 100 * YARD_MM, [], (0.0, 3 * WIDTH_MM))
    assert (wide.points, wide.quality) == (100, "first")
    assert graded(hundred, rules=Rules(rules="ten-point-1", accept=95)).quality == "second"


def test_cloth_that_nobody_saw_has_ten_in_each_yard_at_worst() -> None:
    nine = [flaw(n, 2 * n, 12) for n in range(9)]
    one = graded(nine, unseen=((50.2 * YARD_MM, 50.4 * YARD_MM),))
    assert (one.points, one.worst_points, one.quality) == (90, 100, "first")
    two = graded(nine, unseen=((50.9 * YARD_MM, 51.1 * YARD_MM),))
    assert (two.points, two.worst_points, two.quality) == (90, 110, "open")
    assert "at worst 10 points in each" in two.because


def test_per_100_m_is_per_length_too() -> None:
    rules = Rules(rules="ten-point-1", accept=10.0, accept_per="100 m", cap_per="metre")
    ten = [flaw(n, 2 * n, 0.5) for n in range(10)]
    assert grade(ten, rules, START_MM, 100_000.0, [], (0.0, WIDTH_MM)).quality == "first"
    assert grade(ten, rules, START_MM, 99_900.0, [], (0.0, WIDTH_MM)).quality == "second"


def test_points_that_do_not_rise_are_refused() -> None:
    for bad in ((1, 3, 3, 10), (0, 1, 2, 3), (1, 2, 3, 1001)):
        with pytest.raises(ValueError, match="must rise"):
            Rules(points=bad)
