"""Where to cut a roll: the pieces that bring the most, by dynamic programming over the places where a cut may lie. Pure."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from pipeline.grading.cut_rules import CutProposal, CutRules, Piece
from pipeline.grading.flaws import TOLERANCE_MM, Flaw, Stretch, excuse
from pipeline.grading.points import Grade, grade
from pipeline.grading.rules import Rules

MAX_PLACES = 4_000
"""Beyond so many, cuts that are many pieces away from any defect, gap or end of the roll are left out."""
MAX_FOUND = 200_000
"""Defects and gaps, each counted in every piece that may be cut with it: so a cut takes seconds, whatever the roll."""
UM_PER_M = 1_000_000
EVEN = 1e-9
"""So little money is none."""


@dataclass(frozen=True)
class Roll:
    """A roll to be cut: its cloth from start to end, and what grading knows of it."""

    flaws: Sequence[Flaw]
    rules: Rules
    start_mm: float
    end_mm: float
    not_inspected: Sequence[Stretch]
    edges_mm: tuple[float, float]
    barred: Sequence[Stretch] = ()
    """Seams and the like: no piece may hold any of them."""


def propose_cut(roll: Roll, wish: CutRules) -> CutProposal:
    """The cut that brings the most: it is exact over its places, which are whole micrometres.

    A cut may lie at an end of the roll, at either end of a defect, gap or barred stretch, and any sum of wished lengths
    before or behind one of these. To shift pieces elsewhere gains nothing (the normal patterns of cutting stock: Herz 1972,
    https://doi.org/10.1147/rd.165.0462), but for points that depend on where a piece's yards begin. Where these are too many,
    those stay that lie beside the longest cloth with nothing in it.
    """
    cloth = _Cloth(roll)
    pieces, cuts, value = _Table(cloth, wish).best()
    kept_m = math.fsum(p.to_m - p.from_m for p in pieces)
    return CutProposal(
        rules=wish, pieces=tuple(pieces), cuts=cuts, given_up_m=round((roll.end_mm - roll.start_mm) / 1000 - kept_m, 6),
        points_before=cloth.points, points_after=sum(p.points for p in pieces), value=round(value, 6),
    )  # fmt: skip


class _Cloth:
    """Any stretch of a roll as a piece of its own."""

    def __init__(self, roll: Roll) -> None:
        self.roll = roll
        counting = (f for f in roll.flaws if not excuse(f, roll.rules, roll.edges_mm))
        self.flaws = sorted(counting, key=lambda f: f.start_mm)
        self.gaps, self.barred = sorted(roll.not_inspected), sorted(roll.barred)
        spans = [(f.start_mm, f.end_mm) for f in self.flaws]
        self._flaws_in, self._gaps_in, self._barred_in = _Within(spans), _Within(self.gaps), _Within(self.barred)

    @property
    def points(self) -> int:
        """Of the roll as it is: of a defect that reaches over its end, too, all points."""
        length_mm = self.roll.end_mm - self.roll.start_mm - math.fsum(b - a for a, b in self.gaps)
        return grade(self.flaws, self.roll.rules, self.roll.start_mm, length_mm, self.gaps, self.roll.edges_mm).points

    @property
    def edges_um(self) -> list[int]:
        """Where something begins or ends (a defect, a gap, a barred stretch): first those beside the longest clean cloth."""
        spans = [(f.start_mm, f.end_mm) for f in self.flaws] + self.gaps + self.barred
        clean_um, until_um = dict[int, int](), _um(self.roll.start_mm)
        for start_um, end_um in [*sorted((_um(a), _um(b)) for a, b in spans), (_um(self.roll.end_mm), _um(self.roll.end_mm))]:
            if start_um > until_um:
                clean_um[until_um] = clean_um[start_um] = start_um - until_um
            clean_um.setdefault(start_um, 0)
            clean_um.setdefault(end_um, 0)
            until_um = max(until_um, end_um)
        return sorted(clean_um, key=lambda edge: (-clean_um[edge], edge))

    def found(self, start_mm: float, end_mm: float) -> int:
        """How many defects and gaps lie in it."""
        return self._flaws_in.count(start_mm, end_mm) + self._gaps_in.count(start_mm, end_mm)

    def clean(self, start_mm: float, end_mm: float) -> bool:
        """Nothing lies in it."""
        return not (self._flaws_in(start_mm, end_mm) or self._gaps_in(start_mm, end_mm))

    def whole(self, start_mm: float, end_mm: float) -> bool:
        """It holds nothing of a barred stretch."""
        return not self._barred_in(start_mm, end_mm)

    def graded(self, start_mm: float, end_mm: float) -> Grade:
        """As if it were a roll; of a defect that a cut goes through each piece has its part."""
        flaws = [
            replace(f, start_mm=max(f.start_mm, start_mm), end_mm=min(f.end_mm, end_mm))
            for f in (self.flaws[i] for i in self._flaws_in(start_mm, end_mm))
        ]
        gaps = [(max(a, start_mm), min(b, end_mm)) for a, b in (self.gaps[i] for i in self._gaps_in(start_mm, end_mm))]
        inspected_mm = end_mm - start_mm - math.fsum(b - a for a, b in gaps)
        return grade(flaws, self.roll.rules, start_mm, inspected_mm, gaps, self.roll.edges_mm)


class _Within:
    """Which of some spans, sorted by their starts, lie in a stretch, wholly or in part."""

    def __init__(self, spans: Sequence[Stretch]) -> None:
        self._spans, self._starts = spans, [a for a, _ in spans]
        self._ends = sorted(b for _, b in spans)
        self._reach = list(accumulate((b for _, b in spans), max))
        """How far each and all before it go."""

    def __call__(self, start_mm: float, end_mm: float) -> list[int]:
        first, last = bisect_right(self._reach, start_mm + TOLERANCE_MM), bisect_left(self._starts, end_mm - TOLERANCE_MM)
        return [i for i in range(first, last) if self._spans[i][1] > start_mm + TOLERANCE_MM]

    def count(self, start_mm: float, end_mm: float) -> int:
        """How many: all that begin before its end, less those that end before its start."""
        begun = bisect_left(self._starts, end_mm - TOLERANCE_MM)
        return max(begun - bisect_right(self._ends, start_mm + TOLERANCE_MM), 0)


class _Table:
    """For each place the most that the cloth before it brings: if a piece ends there, and if it lies in cloth given up."""

    def __init__(self, cloth: _Cloth, wish: CutRules) -> None:
        self._cloth, self._wish = cloth, wish
        self._start_um = _um(cloth.roll.start_mm)
        self._lengths_um = sorted({_um(1000 * m) for m in wish.lengths_m})
        self._places = self._chosen(cloth.edges_um)
        self._index = {place: i for i, place in enumerate(self._places)}
        count = len(self._places)
        self._piece, self._given_up = [-math.inf] * count, [-math.inf] * count
        self._from = [0] * count
        """Where the piece begins that ends here, if one does."""

    def _chosen(self, edges_um: list[int]) -> list[int]:
        """The places where a cut may lie: as many as can be looked at."""
        most, end_um = MAX_PLACES, _um(self._cloth.roll.end_mm)
        while True:
            anchors = edges_um[: most // (2 * len(self._lengths_um))]
            places = _places(self._start_um, end_um, anchors, self._lengths_um, most)
            if self._found_in(places) <= MAX_FOUND or most == 1:
                return places
            most //= 2

    def _found_in(self, places: list[int]) -> int:
        known = set(places)
        pieces = ((place, place + um) for place in places for um in self._lengths_um if place + um in known)
        return sum(self._cloth.found(begins / 1000, ends / 1000) for begins, ends in pieces)

    def best(self) -> tuple[list[Piece], int, float]:
        """The pieces in their order, how many cuts they take, and what they bring."""
        self._fill()
        last = len(self._places) - 1
        value = max(self._piece[last], self._given_up[last])
        found, at, in_piece = list[tuple[int, int]](), last, self._piece[last] > self._given_up[last]
        while at > 0:
            if in_piece:
                found.append((self._from[at], at))
                at = self._from[at]
                in_piece = self._piece[at] > self._given_up[at]
            else:
                at -= 1
                in_piece = self._piece[at] - self._cut(at) > self._given_up[at]
        edges = {place for piece in found for place in piece} - {0, last}
        return [self._told(*piece) for piece in reversed(found)], len(edges), value

    def _fill(self) -> None:
        """Place after place: what is known of one is final when the next is asked."""
        places, price = self._places, self._wish.price_per_m.remnant
        remnant_um, barred = _um(1000 * self._wish.remnant_m), [(_um(a), _um(b)) for a, b in self._cloth.barred]
        self._given_up[0] = 0.0
        start, best, best_at = 0, -math.inf, 0
        for here, place in enumerate(places):
            if here:
                self._given_up[here] = max(self._given_up[here - 1], self._piece[here - 1] - self._cut(here - 1))
            while barred and barred[0][0] < place:  # no remnant reaches over it
                start, best = max(start, bisect_left(places, barred.pop(0)[1])), -math.inf
            while start <= here and places[start] <= place - remnant_um:
                so_far = self._cut_made(start) - price * places[start] / UM_PER_M
                if so_far > best:
                    best, best_at = so_far, start
                start += 1
            self._offer(best_at, here, best + price * place / UM_PER_M)
            for length_um in self._lengths_um:
                there = self._index.get(place + length_um)
                if there is not None and (worth := self._worth(place, places[there])) is not None:
                    self._offer(here, there, self._cut_made(here) + worth)

    def _offer(self, begins: int, ends: int, value: float) -> None:
        if value > self._piece[ends] + EVEN:
            self._piece[ends], self._from[ends] = value, begins

    def _cut(self, at: int) -> float:
        """What a cut costs there: nothing where the roll begins anyway; where it ends none is made."""
        return self._wish.cost_of_cut if at else 0.0

    def _cut_made(self, at: int) -> float:
        return max(self._piece[at], self._given_up[at]) - self._cut(at)

    def _worth(self, start_um: int, end_um: int) -> float | None:
        """What a piece of a wished length brings; null: it may not be."""
        start_mm, end_mm = start_um / 1000, end_um / 1000
        if not self._cloth.whole(start_mm, end_mm):
            return None
        metres, prices = (end_um - start_um) / UM_PER_M, self._wish.price_per_m
        if self._cloth.clean(start_mm, end_mm):
            return prices.first * metres
        found = self._cloth.graded(start_mm, end_mm)
        price = prices.first if found.quality == "first" else prices.second
        return price * metres - self._wish.cost_of_point * found.worst_points

    def _told(self, begins: int, ends: int) -> Piece:
        start_um, end_um = self._places[begins], self._places[ends]
        found = self._cloth.graded(start_um / 1000, end_um / 1000)
        metres, wished = (end_um - start_um) / UM_PER_M, end_um - start_um in self._lengths_um
        worth = self._worth(start_um, end_um) if wished else None
        as_remnant = self._wish.price_per_m.remnant * metres
        sold = worth is not None and (worth >= as_remnant or end_um - start_um < _um(1000 * self._wish.remnant_m))
        return Piece(
            from_m=(start_um - self._start_um) / UM_PER_M, to_m=(end_um - self._start_um) / UM_PER_M,
            kind="remnant" if not sold else "first" if found.quality == "first" else "second",
            points=found.points, worst_points=found.worst_points, because=found.because,
            value=round(worth if sold and worth is not None else as_remnant, 6),
        )  # fmt: skip


def _places(start_um: int, end_um: int, edges_um: Sequence[int], lengths_um: Sequence[int], most: int) -> list[int]:
    """Where a cut may lie, in order: what hangs on the roll's ends first, then what hangs on what is in it."""
    ends = {start_um, end_um}
    found = set(ends)
    edges = sorted({min(max(edge, start_um), end_um) for edge in edges_um} - ends)
    for anchors in filter(None, (sorted(ends), edges)):
        room = len(found) + most
        for sum_um in _sums(lengths_um):
            if sum_um > end_um - start_um or len(found) > room:
                break
            found.update(a + step for a in anchors for step in (sum_um, -sum_um) if start_um <= a + step <= end_um)
    return sorted(found)


def _sums(lengths_um: Sequence[int]) -> Iterator[int]:
    """Every sum of any number of the lengths, rising, without end."""
    heap, last = [0], -1
    while True:
        if (least := heapq.heappop(heap)) > last:
            yield (last := least)
            for length_um in lengths_um:
                heapq.heappush(heap, least + length_um)


def _um(mm: float) -> int:
    return round(mm * 1000)
