"""From defects to points and a quality, with every step of the arithmetic kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from pipeline.grading.flaws import Flaw, Stretch, assess, excuse, occupied
from pipeline.grading.quality import Quality, Roll, judge
from pipeline.grading.rules import M2_IN_100_YD2, Rules


class Line(BaseModel):
    """One defect's part in the grade."""

    model_config = ConfigDict(frozen=True)

    number: int
    at_mm: float
    """From the start of the roll."""
    length_mm: float
    rule: str
    points: int
    """By the rule, before the cap."""


class Grade(BaseModel):
    """The grade of a roll and its arithmetic.

    `points` is the sum over yards or metres (`capped`: number and points given of those where the cap took some away).
    Per area they hold for the inspected cloth alone. `worst_points` has the most in every yard or metre that holds cloth not
    inspected, whatever was found in it. quality: first where even that is within the limit; second where the points found
    exceed it over the whole roll, or a rule rejects the roll; else open: cloth that nobody saw is never good.
    """

    model_config = ConfigDict(frozen=True)

    rules: Rules
    lines: tuple[Line, ...]
    capped: tuple[tuple[int, int], ...]
    points: int
    unseen: int
    """Yards or metres that hold cloth not inspected."""
    worst_points: int
    inspected_m: float
    not_inspected_m: float
    width_mm: float
    per_100_yd2: float | None
    per_100_m2: float | None
    worst_per_100_m2: float | None
    quality: Quality
    because: str


def points_per_100_m2(points: float, length_mm: float, width_mm: float) -> float:
    """points x 100 000 / (inspected m x cuttable width in mm): ASTM D5430 in metric units."""
    return points * 1e8 / (length_mm * width_mm)


def grade(
    flaws: Sequence[Flaw],
    rules: Rules,
    start_mm: float,
    inspected_mm: float,
    not_inspected: Sequence[Stretch],
    edges_mm: tuple[float, float],
) -> Grade:
    """Grade a roll that begins at `start_mm` and lies between `edges_mm`; see Grade.

    `not_inspected`: the stretches that nobody saw, which do not overlap. What they may hold is a matter of where they are:
    many short ones in many yards may hold more points than one long one.
    """
    width_mm = rules.width_mm or edges_mm[1] - edges_mm[0]
    given: dict[int, int] = {}
    lines, counting = [], []
    for flaw in sorted(flaws, key=lambda f: (f.start_mm, f.number)):
        rule, points = excuse(flaw, rules, edges_mm), dict[int, int]()
        if not rule:
            counting.append(flaw)
            rule, points = assess(flaw, rules, occupied((flaw.start_mm, flaw.end_mm), start_mm, rules.cap_mm), width_mm)
        for yard, each in points.items():
            given[yard] = given.get(yard, 0) + each
        lines.append(
            Line(number=flaw.number, at_mm=flaw.start_mm - start_mm, length_mm=flaw.length_mm, rule=rule,
                 points=sum(points.values()))
        )  # fmt: skip
    total = sum(min(p, rules.most) for p in given.values())
    unseen = {yard for stretch in not_inspected for yard in occupied(stretch, start_mm, rules.cap_mm)}
    most = rules.most * len(unseen) + sum(min(p, rules.most) for yard, p in given.items() if yard not in unseen)
    not_inspected_mm = math.fsum(to_mm - from_mm for from_mm, to_mm in not_inspected)
    whole_mm = inspected_mm + not_inspected_mm
    known = inspected_mm > 0 and width_mm > 0
    per_m2 = points_per_100_m2(total, inspected_mm, width_mm) if known else None
    worst = points_per_100_m2(most, whole_mm, width_mm) if known else None
    found = points_per_100_m2(total, whole_mm, width_mm) if known else None
    quality, because = judge(Roll(rules, width_mm, counting, not_inspected, len(unseen), found, worst))
    return Grade(
        rules=rules, lines=tuple(lines), capped=tuple(sorted((i, p) for i, p in given.items() if p > rules.most)), points=total,
        unseen=len(unseen), worst_points=most,
        inspected_m=inspected_mm / 1000, not_inspected_m=not_inspected_mm / 1000, width_mm=width_mm,
        per_100_yd2=None if per_m2 is None else per_m2 * M2_IN_100_YD2 / 100, per_100_m2=per_m2, worst_per_100_m2=worst,
        quality=quality, because=because,
    )  # fmt: skip
