"""Whether a roll is first or second quality, or cannot be known: points, what rejects a roll, and cloth that nobody saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.grading.flaws import TOLERANCE_MM, Flaw, Stretch
from pipeline.grading.rules import Rules

Quality = Literal["first", "second", "open"]


@dataclass(frozen=True)
class Roll:
    """What its quality depends on."""

    rules: Rules
    width_mm: float
    counting: Sequence[Flaw]
    """Defects that are not excused: no other rejects a roll."""
    not_inspected: Sequence[Stretch]
    unseen: int
    """Yards or metres that hold cloth not inspected."""
    found_per_100_m2: float | None
    """The points found, over the whole roll; null: nothing was inspected."""
    worst_per_100_m2: float | None

    @property
    def full_width(self) -> int:
        """Defects over the whole width."""
        return sum(f.right_mm - f.left_mm >= self.width_mm - 2 * self.rules.edge_mm for f in self.counting)

    @property
    def holding(self) -> str:
        """The yards with unseen cloth, in words."""
        plural, verb = ("s", "hold") if self.unseen != 1 else ("", "holds")
        return f"{self.unseen} {self.rules.cap_per}{plural} {verb} cloth not inspected"


def judge(roll: Roll) -> tuple[Quality, str]:
    """The quality and why: second where what was seen says so, first only where the worst of the unseen is within it too."""
    if why := _rejected(roll):
        return "second", why
    if roll.found_per_100_m2 is None or roll.worst_per_100_m2 is None:
        return "open", "nothing was inspected"
    limit = roll.rules.accept_per_100_m2(roll.width_mm) + 1e-9
    allowed = f"{roll.rules.accept:g} points per {roll.rules.accept_per} allowed"
    if roll.found_per_100_m2 > limit:
        return "second", allowed
    if roll.worst_per_100_m2 > limit:
        return "open", f"{roll.holding}, at worst {roll.rules.most} points in each, {allowed}"
    doubt = _doubt(roll)
    return ("open", doubt) if doubt else ("first", allowed)


def _rejected(roll: Roll) -> str:
    """The defect that rejects a roll whatever its points; empty: none."""
    running, full = roll.rules.reject_running_mm, roll.rules.reject_full_width
    longest_mm = max((f.end_mm - f.start_mm for f in roll.counting), default=0.0)
    if running is not None and longest_mm > running + TOLERANCE_MM:
        return f"a defect runs on for {longest_mm / 1000:.2f} m, {running / 1000:g} m allowed"
    if full is not None and roll.full_width > full:
        return f"{roll.full_width} defects over the whole width, {full} allowed"
    return ""


def _doubt(roll: Roll) -> str:
    """How a defect in cloth that nobody saw could reject the roll; empty: it could not."""
    running, full = roll.rules.reject_running_mm, roll.rules.reject_full_width
    longest_mm = _longest_mm(roll.not_inspected, [(f.start_mm, f.end_mm) for f in roll.counting])
    if running is not None and longest_mm > running + TOLERANCE_MM:
        return f"a defect could run on for {longest_mm / 1000:.2f} m through cloth not inspected"
    if full is not None and roll.unseen and roll.full_width + roll.unseen > full:
        return f"{roll.holding}, at worst a defect over the whole width in each, {full} allowed"
    return ""


def _longest_mm(not_inspected: Sequence[Stretch], seen: Sequence[Stretch]) -> float:
    """The longest chain of unseen stretches and defects that touch: a defect may go on where nobody saw it."""
    longest = from_mm = 0.0
    to_mm, dark = -math.inf, False
    for start_mm, end_mm, unseen in sorted([(*s, True) for s in not_inspected] + [(*s, False) for s in seen]):
        if start_mm > to_mm + TOLERANCE_MM:
            from_mm, to_mm, dark = start_mm, end_mm, False
        to_mm, dark = max(to_mm, end_mm), dark or unseen
        if dark:
            longest = max(longest, to_mm - from_mm)
    return longest
