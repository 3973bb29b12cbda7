"""The points of one defect, and the yards or metres in which it has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.grading.rules import Rules

TOLERANCE_MM = 2e-3
"""A record rounds places and lengths to 1 µm: what lies exactly on a limit, or ends where a yard ends, is within it."""
Stretch = tuple[float, float]
"""From and to along the line, mm."""


@dataclass(frozen=True)
class Flaw:
    """A defect as grading sees it: its box on the cloth, what it is where somebody said so, and whether it still counts."""

    number: int
    start_mm: float
    end_mm: float
    left_mm: float
    right_mm: float
    kind: str | None = None
    """As a person has named it: `hole` and `pinhole` have rules of their own, every other is graded by its length."""
    pardoned: str = ""
    """Why it gets no points: the disposition a person gave it; empty: it counts."""

    @property
    def length_mm(self) -> float:
        """The longer side."""
        return max(self.end_mm - self.start_mm, self.right_mm - self.left_mm)


def severity(length_mm: float, rules: Rules) -> int:
    """1 to 4: which of the four classes of length a defect is in."""
    return 1 + sum(length_mm > limit + TOLERANCE_MM for limit in rules.limits_mm)


def excuse(flaw: Flaw, rules: Rules, edges_mm: tuple[float, float]) -> str:
    """Why a defect counts for nothing: what a person said, or that it lies at the edge; empty: it counts."""
    inner = edges_mm[0] + rules.edge_mm, edges_mm[1] - rules.edge_mm
    at_edge = flaw.right_mm <= inner[0] + TOLERANCE_MM or flaw.left_mm >= inner[1] - TOLERANCE_MM
    return flaw.pardoned or (f"within {rules.edge_mm:g} mm of the edge" if at_edge else "")


def occupied(stretch: Stretch, start_mm: float, cap_mm: float) -> range:
    """The yards or metres, counted from a roll's start, that a stretch of it lies in; at least the one where it begins."""
    first = max(math.floor((stretch[0] - start_mm + TOLERANCE_MM) / cap_mm), 0)
    return range(first, max(math.ceil((stretch[1] - start_mm - TOLERANCE_MM) / cap_mm), first + 1))


def assess(flaw: Flaw, rules: Rules, yards: range, width_mm: float) -> tuple[str, dict[int, int]]:
    """The rule that a defect falls under, and its points in each of the yards or metres that it occupies.

    One that runs on from one into the next, and is longer than the last limit, has the most in each (the trade's reading of
    ASTM D5430, https://jozwiak.eu/en/four-point-system/). Every other has its points where it begins.
    """
    most = rules.most
    if flaw.kind == "hole" or (flaw.kind == "pinhole" and rules.holes != "not_pinhole"):
        if rules.holes != "by_size":
            return f"{flaw.kind}, of any size", {yards[0]: most}
        small = flaw.length_mm <= rules.hole_mm + TOLERANCE_MM
        return f"{flaw.kind} {'up to' if small else 'over'} {rules.hole_mm:g} mm", {
            yards[0]: rules.points[1] if small else most
        }
    if len(yards) > 1 and severity(flaw.end_mm - flaw.start_mm, rules) == len(rules.points):
        return f"running through {len(yards)} {rules.cap_per}s", dict.fromkeys(yards, most)
    rule, points = _sized(flaw, rules, width_mm)
    return rule, {yards[0]: points}


def _sized(flaw: Flaw, rules: Rules, width_mm: float) -> tuple[str, int]:
    """The rule and the points of a defect's size."""
    if rules.across == "as_along":
        return _in_class(flaw.length_mm, rules.limits_mm, rules, "")
    first, second, _ = rules.limits_mm
    along = _in_class(flaw.end_mm - flaw.start_mm, rules.limits_mm, rules, " along")
    across = _in_class(flaw.right_mm - flaw.left_mm, (first, second, max(second, width_mm / 2)), rules, " across")
    return max(along, across, key=lambda found: found[1])


def _in_class(length_mm: float, limits_mm: tuple[float, float, float], rules: Rules, way: str) -> tuple[str, int]:
    place = sum(length_mm > limit + TOLERANCE_MM for limit in limits_mm)
    edges = (0.0, *limits_mm)
    rule = f"over {edges[place]:g} mm" if place == len(limits_mm) else f"over {edges[place]:g} to {edges[place + 1]:g} mm"
    return rule + way, rules.points[place]
