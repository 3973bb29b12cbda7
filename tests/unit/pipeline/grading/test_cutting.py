"""The cut of a roll: against every cut there is, exact at edges, wherever the roll begins and from whichever end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.grading import Flaw, Rules, cutting, grade
from pipeline.grading.cut_rules import CutProposal, CutRules, Prices
from pipeline.grading.cutting import Roll, propose_cut
from pipeline.grading.flaws import Stretch

EDGES_MM = (0.0, 1500.0)
STRICT = Rules(rules="d5430-mm-1", accept=1.0)
"""A piece of up to 66 m with a single point is second."""


def spot(number: int, at_m: float, length_mm: float = 10.0, **facts: Any) -> Flaw:
    return Flaw(number, at_m * 1000, at_m * 1000 + length_mm, 700.0, 702.0, **facts)


def cut(
    flaws: Sequence[Flaw], wish: CutRules, to_m: float, from_m: float = 0.0, unseen: Sequence[Stretch] = (),
    barred: Sequence[Stretch] = (), rules: Rules = STRICT,
) -> CutProposal:  # fmt: skip
    return propose_cut(Roll(flaws, rules, from_m * 1000, to_m * 1000, unseen, EDGES_MM, barred), wish)


def told(found: CutProposal) -> list[tuple[str, float, float]]:
    return [(p.kind, p.from_m, p.to_m) for p in found.pieces]


def test_pieces_lie_between_defects_and_end_exactly_where_these_begin() -> None:
    flaws = [spot(1, 30.0), spot(2, 55.01, 250.0)]
    found = cut(flaws, CutRules(lengths_m=(25.0,)), 85.0)
    assert told(found) == [
        ("first", 0, 25), ("remnant", 25, 30.01), ("first", 30.01, 55.01), ("remnant", 55.01, 60.0), ("first", 60.0, 85.0),
    ]  # fmt: skip
    assert (found.points_before, [p.points for p in found.pieces if p.kind == "first"]) == (5, [0, 0, 0])


def test_the_roll_as_it_is_and_what_its_pieces_are() -> None:
    wish = CutRules(lengths_m=(25.0, 50.0), price_per_m=Prices(remnant=0.0), cost_of_cut=0.5)
    found = cut([spot(1, 10.0), spot(2, 10.5)], wish, 70.0)
    assert told(found) == [("first", 20.0, 70.0)]
    assert (found.cuts, found.value, found.given_up_m) == (1, 49.5, 20.0), "the end of the roll is no cut"
    assert (found.points_before, found.points_after) == (2, 0)


def test_what_a_cut_costs_decides_between_long_and_short() -> None:
    prices = Prices(first=1.0, second=0.9, remnant=0.0)
    dear = CutRules(lengths_m=(25.0, 50.0), price_per_m=prices, cost_of_cut=3.0)
    assert told(cut([spot(1, 12.0)], dear, 50.0)) == [("second", 0, 50)]
    cheap = CutRules(lengths_m=(25.0, 50.0), price_per_m=prices, cost_of_cut=1.0)
    assert told(cut([spot(1, 12.0)], cheap, 50.0)) == [("second", 0, 25), ("first", 25, 50)]


def test_what_a_point_costs_is_taken_off_a_piece() -> None:
    lax = Rules(rules="d5430-mm-1", accept=1000.0)
    flaws = [spot(n, 5.0 + n) for n in range(4)]
    prices = Prices(remnant=0.0)
    free = cut(flaws, CutRules(lengths_m=(20.0,), price_per_m=prices), 20.0, rules=lax)
    assert (told(free), free.value, free.points_after) == ([("first", 0, 20)], 20.0, 4)
    costly = cut(flaws, CutRules(lengths_m=(20.0,), price_per_m=prices, cost_of_point=4.0), 20.0, rules=lax)
    assert costly.value == 4.0
    too_costly = cut(flaws, CutRules(lengths_m=(20.0,), price_per_m=prices, cost_of_point=6.0), 20.0, rules=lax)
    assert (told(too_costly), too_costly.given_up_m, too_costly.cuts) == ([], 20.0, 0)
    sold_anyway = cut(flaws, CutRules(lengths_m=(20.0,), cost_of_point=6.0), 20.0, rules=lax)
    assert (told(sold_anyway), sold_anyway.value) == ([("remnant", 0, 20)], 4.0)


def test_cloth_that_nobody_saw_is_the_worst_that_it_may_be() -> None:
    wish = CutRules(lengths_m=(10.0,), price_per_m=Prices(second=0.8, remnant=0.0), cost_of_cut=0.0)
    found = cut([], wish, 25.0, unseen=[(11_000.0, 12_000.0)])
    assert told(found) == [("first", 0, 10), ("first", 12, 22)]
    (dark,) = cut([], wish, 10.0, unseen=[(4000.0, 4100.0)]).pieces
    assert (dark.kind, dark.points, dark.worst_points, dark.value) == ("second", 0, 4, 8.0)
    assert "not inspected" in dark.because
    (costly,) = cut([], wish.model_copy(update={"cost_of_point": 1.0}), 10.0, unseen=[(4000.0, 4100.0)]).pieces
    assert costly.value == 4.0


def test_no_piece_holds_a_seam() -> None:
    wish = CutRules(lengths_m=(10.0,), remnant_m=3.0)
    seam = (16_000.0, 16_200.0)
    found = cut([], wish, 40.0, barred=[seam])
    assert all(p.to_m <= 16 or p.from_m >= 16.2 for p in found.pieces)
    assert found.given_up_m == 0.2 and sum(p.kind == "first" for p in found.pieces) == 3
    assert told(cut([], wish, 20.0, barred=[(-500.0, 12_000.0), (12_000.0, 14_000.0)])) == [("remnant", 14, 20)]


def test_what_is_shorter_than_a_remnant_is_given_up() -> None:
    wish = CutRules(lengths_m=(10.0,), remnant_m=3.0)
    assert told(cut([], wish, 13.0)) == [("remnant", 0, 3), ("first", 3, 13)]
    found = cut([], wish, 12.999)
    assert (len(found.pieces), found.given_up_m) == (1, 2.999)


def test_excused_defects_are_not_cut_around() -> None:
    flaws = [Flaw(1, 5000, 5010, 1.0, 3.0), spot(2, 6.0, pardoned="lint")]
    assert told(cut(flaws, CutRules(lengths_m=(10.0,)), 10.0)) == [("first", 0, 10)]


def test_a_running_defect_is_shared_by_the_pieces_that_it_goes_through() -> None:
    wish = CutRules(lengths_m=(10.0,), price_per_m=Prices(remnant=0.0), cost_of_cut=0.0)
    found = cut([spot(1, 0.0, 20_000.0)], wish, 20.0)
    assert [(p.kind, p.points) for p in found.pieces] == [("second", 40), ("second", 40)]


def test_a_roll_may_begin_anywhere() -> None:
    wish = CutRules(lengths_m=(7.0, 5.0), cost_of_cut=0.3)
    here = cut([spot(1, 6.123), spot(2, 13.4, 300.0)], wish, 30.0, unseen=[(20_000.0, 20_050.0)])
    for shift_m in (-1234.567, 98_765.432_1):
        flaws = [spot(1, 6.123 + shift_m), spot(2, 13.4 + shift_m, 300.0)]
        dark = (20_000.0 + shift_m * 1000, 20_050.0 + shift_m * 1000)
        there = cut(flaws, wish, 30.0 + shift_m, shift_m, unseen=[dark])
        assert there.value == pytest.approx(here.value, abs=1e-5)
        assert [(p.kind, round(p.from_m, 4), round(p.to_m, 4)) for p in there.pieces] == [
            (p.kind, round(p.from_m, 4), round(p.to_m, 4)) for p in here.pieces
        ]


PLACES = st.integers(0, 43)
WISHES = st.builds(
    lambda lengths, remnant, prices, cost_of_cut, cost_of_point: CutRules(
        lengths_m=tuple(lengths), remnant_m=remnant, price_per_m=Prices(first=prices[2], second=prices[1], remnant=prices[0]),
        cost_of_cut=cost_of_cut, cost_of_point=cost_of_point,
    ),
    st.lists(st.sampled_from([1.5, 2.0, 3.5, 5.0]), min_size=1, max_size=2), st.sampled_from([0.5, 1.0, 2.5]),
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), min_size=3, max_size=3).map(sorted),
    st.sampled_from([0.0, 0.1, 0.6]), st.sampled_from([0.0, 0.3, 2.0]),
)  # fmt: skip


def worth(flaws: Sequence[Flaw], wish: CutRules, barred: Sequence[Stretch], start_mm: float, end_mm: float) -> float:
    """What a piece brings, said once more and plainly."""
    if any(a < end_mm and b > start_mm for a, b in barred):
        return -math.inf
    inside = [f for f in flaws if f.start_mm < end_mm and f.end_mm > start_mm]
    found = grade(inside, STRICT, start_mm, end_mm - start_mm, [], EDGES_MM)
    metres, best = (end_mm - start_mm) / 1000, -math.inf
    if metres in wish.lengths_m:
        price = wish.price_per_m.first if found.quality == "first" else wish.price_per_m.second
        best = price * metres - wish.cost_of_point * found.points
    return max(best, wish.price_per_m.remnant * metres) if metres >= wish.remnant_m else best


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 44), st.sets(PLACES, max_size=3), st.sets(PLACES, max_size=1), WISHES, st.integers(-9, 9))
def test_no_cut_on_a_fine_grid_brings_more(
    count: int, at: set[int], seams: set[int], wish: CutRules, from_quarter: int
) -> None:
    """Each quarter of a metre may be a cut; defects and seams fill quarters, no two in a metre that share their points."""
    step, first = 250.0, from_quarter * 250.0
    flaws = [Flaw(n, first + q * step, first + (q + 1) * step, 700, 702) for n, q in enumerate(sorted(at)) if q < count]
    if any(b.start_mm - a.start_mm < 2000 for a, b in pairwise(flaws)):
        flaws = flaws[:1]
    barred = [(first + q * step, first + (q + 1) * step) for q in seams if q < count]
    places = [first + n * step for n in range(count + 1)]

    @cache
    def best(here: int, after_piece: bool) -> float:
        """Of the cloth from there on; a cut where a piece has ended is paid already."""
        if here == count:
            return 0.0
        paid = 0.0 if here == 0 or after_piece else wish.cost_of_cut
        options = [best(here + 1, False)]
        for there in range(here + 1, count + 1):
            brings = worth(flaws, wish, barred, places[here], places[there])
            if brings > -math.inf:
                options.append(brings - paid - (wish.cost_of_cut if there < count else 0.0) + best(there, True))
        return max(options)

    found = cut(flaws, wish, (first + count * step) / 1000, first / 1000, barred=barred)
    assert found.value == pytest.approx(best(0, False), abs=1e-5)
    assert found.value == pytest.approx(sum(p.value for p in found.pieces) - found.cuts * wish.cost_of_cut, abs=1e-5)
    lengths = [p.to_m - p.from_m for p in found.pieces]
    assert found.given_up_m == pytest.approx(count * step / 1000 - sum(lengths), abs=1e-6)
    ends = [x for p in found.pieces for x in (p.from_m, p.to_m)]
    assert ends == sorted(ends) and all(0 <= x <= count * step / 1000 for x in ends)
    mirrored = [Flaw(f.number, -f.end_mm, -f.start_mm, 700, 702) for f in flaws]
    turned = cut(mirrored, wish, -first / 1000, -(first + count * step) / 1000, barred=[(-b, -a) for a, b in barred])
    assert turned.value == pytest.approx(found.value, abs=1e-5), "from the other end"


def test_a_long_roll_with_many_defects_is_cut_too() -> None:
    flaws = [spot(n, 3.0 + 7.77 * n, 10.0 + n % 300) for n in range(120)]
    found = cut(flaws, CutRules(lengths_m=(25.0, 60.0)), 1000.0, rules=Rules())
    assert found.given_up_m < 50 and {p.kind for p in found.pieces} <= {"first", "second", "remnant"}


def test_bad_wishes_are_refused() -> None:
    bad: dict[str, Any]
    for bad in ({}, {"lengths_m": []}, {"lengths_m": [0.1]}, {"lengths_m": [25], "price_per_m": {"third": 1}},
                {"lengths_m": [25], "cost_of_cut": -1}):  # fmt: skip
        with pytest.raises(ValidationError):
            CutRules.model_validate(bad)


def test_clean_cloth_may_be_cut_into_many_lengths() -> None:
    """Their sums are more than anybody can count, and only as many are asked for as there are places to look at."""
    lengths = (10.1, 12.37, 15.23, 17.77, 20.01, 23.3, 25.123, 31.707)
    found = cut([], CutRules(lengths_m=lengths), 10_000.0)
    assert found.pieces[-1].to_m == 10_000 and found.given_up_m < 2


@pytest.mark.parametrize("streaks", [0, 40])
def test_what_is_looked_at_has_a_limit_and_long_clean_cloth_is_cut_out_first(
    streaks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def counted(flaws: Sequence[Flaw], *rest: Any) -> Any:
        nonlocal looked
        looked += len(flaws)
        return grade(flaws, *rest)

    monkeypatch.setattr(cutting, "grade", counted)
    monkeypatch.setattr(cutting, "MAX_FOUND", 20_000)
    flaws = [spot(n, 0.9 * n + (61.0 if n > 300 else 0)) for n in range(1500)]
    flaws += [spot(2000 + n, 400.0 + n, 900_000.0) for n in range(streaks)]
    found = cut(flaws, CutRules(lengths_m=(30.0, 50.0, 90.0)), 1411.0)
    assert looked < 20_000 + 4 * len(flaws), "what the pieces are chosen by, and each of them told"
    begins = 0.9 * 300 + 0.01
    assert any(p.kind == "first" and begins - 1e-6 <= p.from_m and p.to_m <= begins + 61.89 for p in found.pieces)


def test_the_roll_as_it_is_has_the_points_of_a_defect_that_reaches_over_its_end() -> None:
    flaws = [spot(1, 9.9, 300.0)]
    found = cut(flaws, CutRules(lengths_m=(10.0,)), 10.0)
    assert found.points_before == grade(flaws, STRICT, 0.0, 10_000.0, [], EDGES_MM).points == 2 * 4
    assert found.points_after == 2, "a piece has what lies in it"
