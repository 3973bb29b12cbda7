"""How a roll may be cut: from its sheet and a wish to the pieces, and these as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.grading import CutRules, propose_cut
from pipeline.grading.cutting import Roll
from pipeline.messages.states import EventKind
from pipeline.report.sheet import RollSheet, flaw_of
from pipeline.report.tables import section, table

LISTED = 500
BARRED = (EventKind.SEAM, EventKind.LEAD)
"""No piece is cut with one of these in it."""


def wish_of(config: dict[str, Any], lengths_m: Sequence[float] = ()) -> CutRules | None:
    """What a run's configuration wishes for, or pieces of these lengths at its prices; null: nothing.

    InputError for a length that no piece may have.
    """
    given = config.get("cut")
    if not lengths_m and given is None:
        return None
    try:
        return CutRules.model_validate({**(given or {}), **({"lengths_m": lengths_m} if lengths_m else {})})
    except ValidationError as e:
        if not lengths_m:  # of an older or a foreign program
            return None
        raise InputError(f"{e.errors()[0]['msg']}, pieces of {', '.join(f'{m:g}' for m in lengths_m)} m, mend it") from None


def with_cut(roll: RollSheet, wish: CutRules | None) -> RollSheet:
    """The sheet with its proposal; as it is where nobody wished for one, or the roll has no grade."""
    start_mm, end_mm, edges_mm = roll.start_mm, roll.end_mm, roll.edges_mm
    if wish is None or roll.grade is None or start_mm is None or end_mm is None or edges_mm is None:
        return roll

    def on_line(from_m: float, to_m: float) -> tuple[float, float]:
        return start_mm + from_m * 1000, start_mm + to_m * 1000

    cloth = Roll(
        [flaw_of(row, start_mm) for row in roll.defects], roll.grade.rules, start_mm, end_mm,
        [on_line(gap.from_m, gap.to_m) for gap in roll.not_inspected], edges_mm,
        [on_line(event.from_m, event.to_m) for event in roll.events if event.kind in BARRED],
    )  # fmt: skip
    return roll.model_copy(update={"cut": propose_cut(cloth, wish)})


def cut_section(roll: RollSheet) -> str:
    """The proposal; nothing where there is none."""
    cut = roll.cut
    if cut is None or roll.start_mm is None or roll.end_mm is None:
        return ""
    wish, whole_m = cut.rules, (roll.end_mm - roll.start_mm) / 1000
    prices, kinds = wish.price_per_m, Counter(p.kind for p in cut.pieces)
    pieces = ", ".join(f"{kinds[kind]} {kind}" for kind in ("first", "second", "remnant") if kinds[kind]) or "none"
    quality = f" ({roll.grade.quality})" if roll.grade else ""
    found = (
        f"<p>One roll of {whole_m:,.3f} m with {cut.points_before} points{quality} becomes {len(cut.pieces)} pieces "
        f"({pieces}) with {cut.points_after} points by {cut.cuts} cuts. <b>{cut.given_up_m:,.3f} m</b> are given up. "
        f"It brings <b>{cut.value:,.2f}</b>.</p>"
    )
    note = (
        f"<p class='note'>Wished: {', '.join(f'{m:g}' for m in wish.lengths_m)} m; a remnant has {wish.remnant_m:g} m at "
        f"least. Prices per metre: first {prices.first:g}, second {prices.second:g}, remnant {prices.remnant:g}; a cut costs "
        f"{wish.cost_of_cut:g}, a point {wish.cost_of_point:g}. Each piece is graded by itself, and one that cloth not "
        "inspected could make second is sold as second. No piece holds a seam or lead.</p>"
    )
    rows = [
        [
            n, f"{p.from_m:.3f}", f"{p.to_m:.3f}", f"{p.to_m - p.from_m:.3f}", f"{whole_m - p.to_m:.3f}", p.kind, p.points,
            p.worst_points, f"{p.value:,.2f}", escape(p.because),
        ]
        for n, p in enumerate(cut.pieces[:LISTED], 1)
    ]  # fmt: skip
    head = ["piece", "from, m", "to, m", "length, m", "from the end, m", "class", "points", "at worst", "brings", "grade"]
    more = f"<p class='note'>The first {LISTED} of {len(cut.pieces):,}; all are in report.json.</p>"
    cut_off = more if len(cut.pieces) > LISTED else ""
    return section(
        "Proposed cut", found + note + cut_off + (table(head, rows, numbers={0, 1, 2, 3, 4, 6, 7, 8}) if rows else "")
    )
