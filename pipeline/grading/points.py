"""From defects to points and a quality, with every step of the arithmetic kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.grading.rules import M2_IN_100_YD2, Rules

MOST = 4
"""Points of one defect, and of one yard or metre."""
TOLERANCE_MM = 1e-6
"""Absorbs the rounding of lengths, so that a defect exactly on a limit is within it."""
Quality = Literal["first", "second", "open"]


@dataclass(frozen=True)
class Flaw:
    """A defect as grading sees it: its box on the cloth, what it is where somebody said so, and whether it still counts."""

    number: int
    start_mm: float
    end_mm: float
    left_mm: float
    right_mm: float
    kind: Literal["hole", "pinhole"] | None = None
    """The model does not tell kinds apart; a person may."""
    pardoned: str = ""
    """Why it gets no points: the disposition a person gave it; empty: it counts."""

    @property
    def length_mm(self) -> float:
        """The longer side."""
        return max(self.end_mm - self.start_mm, self.right_mm - self.left_mm)


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
    Per area they hold for the inspected cloth alone; `worst_per_100_m2` gives every yard or metre of cloth that was not
    inspected its 4 points. quality: first where even that is within the limit, second where the points found exceed it
    over the whole roll or a rule rejects the roll, else open: cloth that nobody saw is never good.
    """

    model_config = ConfigDict(frozen=True)

    rules: Rules
    lines: tuple[Line, ...]
    capped: tuple[tuple[int, int], ...]
    points: int
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


def severity(length_mm: float, rules: Rules) -> int:
    """1 to 4: the points of a defect's length."""
    return 1 + sum(length_mm > limit + TOLERANCE_MM for limit in rules.limits_mm)


def assess(flaw: Flaw, rules: Rules, edges_mm: tuple[float, float]) -> tuple[str, list[int]]:
    """The rule that a defect falls under, and its points: one number for each yard or metre that it occupies.

    A defect that runs on along the cloth over more than one has 4 points in each; every other has its points where it begins.
    """
    if flaw.pardoned:
        return flaw.pardoned, [0]
    inner = edges_mm[0] + rules.edge_mm, edges_mm[1] - rules.edge_mm
    if flaw.right_mm <= inner[0] + TOLERANCE_MM or flaw.left_mm >= inner[1] - TOLERANCE_MM:
        return f"within {rules.edge_mm:g} mm of the edge", [0]
    if flaw.kind == "hole" or (flaw.kind == "pinhole" and rules.holes != "not_pinhole"):
        if rules.holes != "by_size":
            return f"{flaw.kind}, of any size", [MOST]
        small = flaw.length_mm <= rules.hole_mm + TOLERANCE_MM
        return f"{flaw.kind} {'up to' if small else 'over'} {rules.hole_mm:g} mm", [2 if small else MOST]
    occupied = math.ceil((flaw.end_mm - flaw.start_mm) / rules.cap_mm - 1e-9)
    if occupied > 1:
        return f"running through {occupied} {rules.cap_per}s", [MOST] * occupied
    points = severity(flaw.length_mm, rules)
    edges = (0.0, *rules.limits_mm)
    return f"over {edges[3]:g} mm" if points == MOST else f"over {edges[points - 1]:g} to {edges[points]:g} mm", [points]


def grade(
    flaws: Sequence[Flaw],
    rules: Rules,
    start_mm: float,
    inspected_mm: float,
    not_inspected_mm: float,
    edges_mm: tuple[float, float],
) -> Grade:
    """Grade a roll that begins at `start_mm` and lies between `edges_mm`; see Grade."""
    width_mm = rules.width_mm or edges_mm[1] - edges_mm[0]
    given: dict[int, int] = {}
    lines = []
    for flaw in sorted(flaws, key=lambda f: (f.start_mm, f.number)):
        rule, points = assess(flaw, rules, edges_mm)
        at_mm = flaw.start_mm - start_mm
        first = math.floor(at_mm / rules.cap_mm + 1e-9)
        for i, each in enumerate(points):
            given[first + i] = given.get(first + i, 0) + each
        lines.append(Line(number=flaw.number, at_mm=at_mm, length_mm=flaw.length_mm, rule=rule, points=sum(points)))
    total = sum(min(p, MOST) for p in given.values())
    whole_mm = inspected_mm + not_inspected_mm
    unseen = MOST * math.ceil(not_inspected_mm / rules.cap_mm - 1e-9)
    known = inspected_mm > 0 and width_mm > 0
    per_m2 = points_per_100_m2(total, inspected_mm, width_mm) if known else None
    worst = points_per_100_m2(total + unseen, whole_mm, width_mm) if known else None
    quality, because = _quality(flaws, rules, width_mm, total, whole_mm, not_inspected_mm, worst)
    return Grade(
        rules=rules, lines=tuple(lines), capped=tuple(sorted((i, p) for i, p in given.items() if p > MOST)), points=total,
        inspected_m=inspected_mm / 1000, not_inspected_m=not_inspected_mm / 1000, width_mm=width_mm,
        per_100_yd2=None if per_m2 is None else per_m2 * M2_IN_100_YD2 / 100, per_100_m2=per_m2, worst_per_100_m2=worst,
        quality=quality, because=because,
    )  # fmt: skip


def _quality(
    flaws: Sequence[Flaw],
    rules: Rules,
    width_mm: float,
    points: int,
    whole_mm: float,
    not_inspected_mm: float,
    worst: float | None,
) -> tuple[Quality, str]:
    counting = [f for f in flaws if not f.pardoned]
    running_mm = max((f.end_mm - f.start_mm for f in counting), default=0.0)
    if rules.reject_running_mm is not None and running_mm > rules.reject_running_mm:
        return "second", f"a defect runs on for {running_mm / 1000:.2f} m, {rules.reject_running_mm / 1000:g} m allowed"
    full = sum(f.right_mm - f.left_mm >= width_mm - 2 * rules.edge_mm for f in counting)
    if rules.reject_full_width is not None and full > rules.reject_full_width:
        return "second", f"{full} defects over the whole width, {rules.reject_full_width} allowed"
    if worst is None:
        return "open", "nothing was inspected"
    limit = rules.accept_per_100_m2
    allowed = f"{rules.accept:g} points per {rules.accept_per} allowed"
    if points_per_100_m2(points, whole_mm, width_mm) > limit + 1e-9:
        return "second", allowed
    if worst > limit + 1e-9:
        return "open", f"{not_inspected_mm / 1000:.3f} m were not inspected and could hold too many points, {allowed}"
    if rules.reject_running_mm is not None and not_inspected_mm > rules.reject_running_mm:
        return "open", f"{not_inspected_mm / 1000:.3f} m were not inspected and could hold a running defect"
    return "first", allowed
