"""The four-point system (ASTM D5430) and the ten-point system as versioned rule sets, each with what a contract may vary.

The ten-point system is the trade's of 1955 (https://www.textilecoach.net/post/fabric-inspection-10-point-system). Along the
warp a defect has 1, 3, 5, 10 points up to 1, 5, 10, 36 inches; across it up to 1 and 5 inches, half and the whole width. A yard
has 10 at most, and a piece of first quality no more points than yards. A hole has 10
(http://www.kotiti-global.com/ko/inspection/inspection_service.do), and half an inch at the selvage is left out
(https://guide.okorder.com/info-215203.html). That a defect repeated through the whole piece makes it second is not here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from glass_core.settings.section import Section

INCH_MM = 25.4
YARD_MM = 36 * INCH_MM
METRE_MM = 1000.0
M2_IN_100_YD2 = 100 * (YARD_MM / METRE_MM) ** 2
"""100 yd2 are 83.61 m2, so 1 point in 100 yd2 is 1.196 points in 100 m2."""

MAX_POINTS = 1000
DEFAULT = "d5430-inch-1"
RULE_SETS: dict[str, dict[str, Any]] = {
    DEFAULT: {},  # the defaults below: inch limits, exact, and the trade's usual acceptance of a roll
    # The rounded limits of a buyer who writes mm.
    "d5430-mm-1": {
        "limits_mm": (75.0, 150.0, 230.0), "hole_mm": 25.0, "cap_per": "metre",
        "reject_running_mm": 10 * METRE_MM, "edge_mm": 25.0, "accept": 48.0, "accept_per": "100 m2",
    },
    "ten-point-1": {
        "limits_mm": (INCH_MM, 5 * INCH_MM, 10 * INCH_MM), "points": (1, 3, 5, 10), "across": "half_width", "holes": "any",
        "edge_mm": INCH_MM / 2, "reject_running_mm": None, "accept": 100.0, "accept_per": "100 yd",
    },
}  # fmt: skip


class Rules(Section):
    """How a roll is graded: a named rule set, any part of which a contract may replace.

    A set is never changed once released; a correction gets a new number behind its name. The standard's editions and the
    trade's readings of it differ in what can be set here, so the whole of it stands in every report.
    """

    rules: Literal["d5430-inch-1", "d5430-mm-1", "ten-point-1"] = "d5430-inch-1"
    limits_mm: tuple[float, float, float] = (76.2, 152.4, 228.6)
    """Of a defect's length: up to the first it has the first of `points`, beyond the last the last of them."""
    points: tuple[int, int, int, int] = (1, 2, 3, 4)
    """They rise; no defect, and no yard or metre, has more than the last."""
    across: Literal["as_along", "half_width"] = "as_along"
    """as_along: the longer side counts, whichever it is; half_width: across the cloth the last limit is half its width."""
    holes: Literal["by_size", "any", "not_pinhole"] = "by_size"
    """by_size: up to `hole_mm` the second of `points`, beyond it the last; any: the last; not_pinhole: so too, but a pinhole is
    graded by its length."""
    hole_mm: float = Field(default=INCH_MM, gt=0)
    cap_per: Literal["yard", "metre"] = "yard"
    """At most the last of `points` in each, counted from the start of the roll."""
    edge_mm: float = Field(default=INCH_MM, ge=0)
    """A defect wholly within so much of either edge does not count."""
    width_mm: float | None = Field(default=None, gt=0)
    """Cuttable width; null: the width that the cameras see."""
    accept: float = Field(default=40.0, gt=0)
    """First quality up to so many points ..."""
    accept_per: Literal["100 yd2", "100 m2", "100 yd", "100 m"] = "100 yd2"
    """... per this area, or length."""
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
        if not 0 < self.points[0] < self.points[1] < self.points[2] < self.points[3] <= MAX_POINTS:
            raise ValueError(f"points {list(self.points)} must rise, up to {MAX_POINTS} at most")
        return self

    @property
    def most(self) -> int:
        """Points of the worst defect, and of one yard or metre."""
        return self.points[3]

    @property
    def cap_mm(self) -> float:
        """Length of cloth that gets at most `most` points."""
        return YARD_MM if self.cap_per == "yard" else METRE_MM

    def accept_per_100_m2(self, width_mm: float) -> float:
        """The acceptance limit in points per 100 m2 of cloth that is so wide."""
        m2 = {"100 yd2": M2_IN_100_YD2, "100 m2": 100.0, "100 yd": width_mm * YARD_MM / 1e4, "100 m": width_mm / 10}
        return self.accept * 100 / m2[self.accept_per]
