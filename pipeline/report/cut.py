"""How a roll may be cut: the pieces as a table, with what they bring and what is given up."""

from __future__ import annotations

from collections import Counter
from html import escape

from pipeline.report.sheet import RollSheet
from pipeline.report.tables import section, table

LISTED = 500


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
