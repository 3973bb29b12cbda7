"""The four-point system (ASTM D5430) as versioned rule sets, each with the variants that buyers write into a contract."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from glass_core.settings.section import Section

INCH_MM = 25.4
YARD_MM = 36 * INCH_MM
METRE_MM = 1000.0
M2_IN_100_YD2 = 100 * (YARD_MM / METRE_MM) ** 2
"""100 yd2 are 83.61 m2, so 1 point in 100 yd2 is 1.196 points in 100 m2."""

DEFAULT = "d5430-inch-1"
RULE_SETS: dict[str, dict[str, Any]] = {
    DEFAULT: {},  # the defaults below: inch limits, exact, and the trade's usual acceptance of a roll
    # The rounded limits of a buyer who writes mm.
    "d5430-mm-1": {
        "limits_mm": (75.0, 150.0, 230.0), "hole_mm": 25.0, "cap_per": "metre",
        "reject_running_mm": 10 * METRE_MM, "edge_mm": 25.0, "accept": 48.0, "accept_per": "100 m2",
    },
}  # fmt: skip


class Rules(Section):
    """How a roll is graded: a named rule set, any part of which a contract may replace.

    A set is never changed once released; a correction gets a new number behind its name. The standard's editions and the
    trade's readings of it differ in what can be set here, so the whole of it stands in every report.
    """

    rules: Literal["d5430-inch-1", "d5430-mm-1"] = "d5430-inch-1"
    limits_mm: tuple[float, float, float] = (76.2, 152.4, 228.6)
    """Up to the first: 1 point, the second: 2, the third: 3, beyond it: 4; of the longer side, along or across."""
    holes: Literal["by_size", "any", "not_pinhole"] = "by_size"
    """by_size: up to `hole_mm` 2 points, beyond it 4; any: 4; not_pinhole: 4, but a pinhole is graded by its length."""
    hole_mm: float = Field(default=INCH_MM, gt=0)
    cap_per: Literal["yard", "metre"] = "yard"
    """At most 4 points in each, counted from the start of the roll."""
    edge_mm: float = Field(default=INCH_MM, ge=0)
    """A defect wholly within so much of either edge does not count."""
    width_mm: float | None = Field(default=None, gt=0)
    """Cuttable width; null: the width that the cameras see."""
    accept: float = Field(default=40.0, gt=0)
    """First quality up to so many points ..."""
    accept_per: Literal["100 yd2", "100 m2"] = "100 yd2"
    """... per this area."""
    reject_running_mm: float | None = Field(default=10 * YARD_MM, gt=0)
    """A defect that runs on for longer makes the roll second quality, whatever its points; null: none does."""
    reject_full_width: int | None = Field(default=None, ge=0)
    """More defects over the whole width than this make the roll second quality; null: any number is points only."""

    @model_validator(mode="before")
    @classmethod
    def _named_set(cls, given: Any) -> Any:
        """What is not given is the named set's."""
        if not isinstance(given, dict):
            return given
        name = given.get("rules", DEFAULT)
        return {**RULE_SETS.get(name, {}), **given} if isinstance(name, str) else given

    @model_validator(mode="after")
    def _rising(self) -> Rules:
        if not 0 < self.limits_mm[0] < self.limits_mm[1] < self.limits_mm[2]:
            raise ValueError(f"limits_mm {list(self.limits_mm)} must rise")
        return self

    @property
    def cap_mm(self) -> float:
        """Length of cloth that gets at most 4 points."""
        return YARD_MM if self.cap_per == "yard" else METRE_MM

    @property
    def accept_per_100_m2(self) -> float:
        """The acceptance limit in points per 100 m2."""
        return self.accept if self.accept_per == "100 m2" else self.accept * 100 / M2_IN_100_YD2
