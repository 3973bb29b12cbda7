"""The points of one defect, and the yards or metres in which it has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.grading.rules import Rules

MOST = 4
"""Points of one defect, and of one yard or metre."""
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
    """1 to 4: the points of a defect's length."""
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


def assess(flaw: Flaw, rules: Rules, yards: range) -> tuple[str, dict[int, int]]:
    """The rule that a defect falls under, and its points in each of the yards or metres that it occupies.

    One that runs on from one into the next, and is longer than the last limit, has 4 in each (the trade's reading of ASTM
    D5430, https://jozwiak.eu/en/four-point-system/). Every other has its points where it begins.
    """
    if flaw.kind == "hole" or (flaw.kind == "pinhole" and rules.holes != "not_pinhole"):
        if rules.holes != "by_size":
            return f"{flaw.kind}, of any size", {yards[0]: MOST}
        small = flaw.length_mm <= rules.hole_mm + TOLERANCE_MM
        return f"{flaw.kind} {'up to' if small else 'over'} {rules.hole_mm:g} mm", {yards[0]: 2 if small else MOST}
    if len(yards) > 1 and severity(flaw.end_mm - flaw.start_mm, rules) == MOST:
        return f"running through {len(yards)} {rules.cap_per}s", dict.fromkeys(yards, MOST)
    points = severity(flaw.length_mm, rules)
    edges = (0.0, *rules.limits_mm)
    rule = f"over {edges[3]:g} mm" if points == MOST else f"over {edges[points - 1]:g} to {edges[points]:g} mm"
    return rule, {yards[0]: points}
