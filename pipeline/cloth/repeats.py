"""Recognises defects that come again and again in one lane at a fixed distance: a damaged roller, a faulty reed or needle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.cloth.joining import Defect

LEAST = 4
"""So many at one distance are no accident."""
MIN_FILLED = 0.7
"""Of the places where the series has one due; a weak defect may be missed now and then."""
TOLERANCE_MM, TOLERANCE = 4.0, 0.003
"""How far off its place each may be: cells and slip, or that share of the period."""
CHANCE = 0.01
"""Series that scattered defects of that number would make by accident: fewer than this."""
LOOK_AHEAD = 8
"""Distances are taken to so many defects after, so that others may lie between."""


@dataclass(frozen=True)
class Repeat:
    """A series: its name, its period along the cloth, and its defects in order."""

    name: str
    period_mm: float
    x_mm: float
    members: tuple[Defect, ...]


def find_repeats(defects: Sequence[Defect]) -> list[Repeat]:
    """The series among the defects of a run, in the order in which they begin; a defect belongs to one at most.

    Defects without a place in mm belong to none.
    """
    lanes: list[list[Defect]] = []
    for defect in sorted((d for d in defects if d.box_mm is not None), key=lambda d: (d.roll_id, _middle(d)[1])):
        last = lanes[-1][-1] if lanes else None
        if last is not None and last.roll_id == defect.roll_id and _middle(defect)[1] - _middle(last)[1] <= TOLERANCE_MM:
            lanes[-1].append(defect)
        else:
            lanes.append([defect])
    found = [series for lane in lanes for series in _series(sorted(lane, key=_middle))]
    found.sort(key=lambda s: _middle(s[1][0]))
    return [
        Repeat(f"R{n}", period, sum(_middle(d)[1] for d in members) / len(members), tuple(members))
        for n, (period, members) in enumerate(found, 1)
    ]


def _series(lane: list[Defect]) -> list[tuple[float, list[Defect]]]:
    """The longest series of a lane, then the longest of what is left, and so on."""
    found: list[tuple[float, list[Defect]]] = []
    rest = lane
    while len(rest) >= LEAST:
        best: tuple[float, list[Defect]] = (0.0, [])
        for i, start in enumerate(rest):
            for after in rest[i + 1 : i + 1 + LOOK_AHEAD]:
                period_mm = _middle(after)[0] - _middle(start)[0]
                if period_mm > 5 * TOLERANCE_MM:
                    series = _follow(rest[i:], period_mm)
                    if len(series[1]) > len(best[1]):
                        best = series
            if len(best[1]) >= len(rest) - i:
                break
        if len(best[1]) < LEAST or _by_chance(rest, *best) > CHANCE:
            break
        found.append(best)
        members = set(best[1])
        rest = [d for d in rest if d not in members]
    return found


def _follow(lane: list[Defect], period_mm: float) -> tuple[float, list[Defect]]:
    """The defects that lie at whole periods from the first; the period is corrected as the series grows."""
    members, steps = [lane[0]], 0
    first_mm = last_mm = _middle(lane[0])[0]
    for defect in lane[1:]:
        at_mm = _middle(defect)[0]
        ahead = round((at_mm - last_mm) / period_mm)
        if ahead < 1 or abs(at_mm - last_mm - ahead * period_mm) > _tolerance_mm(period_mm):
            continue
        if len(members) + 1 < MIN_FILLED * (steps + ahead + 1) and ahead > 1:
            break
        members.append(defect)
        steps += ahead
        last_mm, period_mm = at_mm, (at_mm - first_mm) / steps
    return period_mm, members


def _by_chance(lane: list[Defect], period_mm: float, members: list[Defect]) -> float:
    """How many such series so many scattered defects would make: the first two set the period, the others must fit."""
    span_mm = _middle(lane[-1])[0] - _middle(lane[0])[0]
    fits = min(1.0, (len(lane) - 1) / span_mm * 2 * _tolerance_mm(period_mm))
    pairs = len(lane) * min(LOOK_AHEAD, (len(lane) - 1) / 2)
    return float(pairs * fits ** (len(members) - 2))


def _tolerance_mm(period_mm: float) -> float:
    return max(TOLERANCE_MM, TOLERANCE * period_mm)


def _middle(defect: Defect) -> tuple[float, float]:
    """Its middle along and across."""
    y0, y1, x0, x1 = defect.box_mm or (math.inf,) * 4
    return (y0 + y1) / 2, (x0 + x1) / 2
