"""A roll's grade with its arithmetic, and the stretches that nobody saw."""

from __future__ import annotations

from html import escape

from pipeline.grading import Grade
from pipeline.grading.rules import YARD_MM
from pipeline.report.sheet import RollSheet
from pipeline.report.tables import number, section, table

QUALITY = {"first": "first quality", "second": "second quality", "open": "not decided"}
KINDS = {"first": "ok", "second": "bad", "open": "gap"}
LISTED = 500


def grade_section(roll: RollSheet) -> str:
    """The grade, or why there is none."""
    grade = roll.grade
    if grade is None:
        return section("Grade", "<p>None: the scale or the width of the cloth is not known, and lengths are never guessed.</p>")
    figures = [
        (QUALITY[grade.quality], escape(grade.because), KINDS[grade.quality]),
        *_per_length(grade),
        (number(grade.per_100_yd2, 1), "points per 100 yd²", ""),
        (number(grade.per_100_m2, 1), "points per 100 m²", ""),
        (number(grade.worst_per_100_m2, 1), "points per 100 m² at worst, if cloth not inspected is full of defects", ""),
    ]
    boxes = "".join(f'<div class="figure {kind}"><b>{value}</b><span>{name}</span></div>' for value, name, kind in figures)
    return section("Grade", f'<div class="figures">{boxes}</div>{_arithmetic(grade)}')


def _arithmetic(grade: Grade) -> str:
    r = grade.rules
    limits, points = ", ".join(f"{mm:g}" for mm in r.limits_mm), ", ".join(map(str, r.points[:3]))
    across = "" if r.across == "as_along" else " (across the cloth the last of them is half the width)"
    system = "Ten-point system" if r.rules.startswith("ten-point") else "ASTM D5430 four-point system"
    rules = (
        f"<p class='note'>{system}, rule set <b>{escape(r.rules)}</b>: {points} points up to {limits} mm{across}, "
        f"{r.most} beyond; holes {escape(r.holes)} ({r.hole_mm:g} mm); at most {r.most} points per {r.cap_per}; "
        f"{r.edge_mm:g} mm at each edge do not count; first quality up to {r.accept:g} points per {r.accept_per}.</p>"
    )
    counted = f"{grade.points} points"
    if grade.capped:
        given = sum(line.points for line in grade.lines)
        where = ", ".join(f"{r.cap_per} {i + 1}: {points} become {r.most}" for i, points in grade.capped)
        counted = f"{given} points by the rules, {grade.points} after the cap ({where})"
    sums = (
        f"<p>{counted}. {grade.points} × 100,000 / ({grade.inspected_m:,.3f} m inspected × {grade.width_mm:,.1f} mm cuttable "
        f"width) = <b>{number(grade.per_100_m2, 2)}</b> per 100 m², "
        f"{grade.points} × 3,600 / ({grade.inspected_m / 0.9144:,.2f} yd × {grade.width_mm / 25.4:,.2f} in) = "
        f"<b>{number(grade.per_100_yd2, 2)}</b> per 100 yd².</p>"
    )
    if grade.unseen:
        yards = f"{grade.unseen} {r.cap_per}{'s' * (grade.unseen != 1)}"
        sums += (
            f"<p>At worst {yards} with cloth not inspected have {r.most} points each, so there are {grade.worst_points}: "
            f"{grade.worst_points} × 100,000 / ({grade.inspected_m + grade.not_inspected_m:,.3f} m × {grade.width_mm:,.1f} mm) "
            f"= <b>{number(grade.worst_per_100_m2, 2)}</b> per 100 m².</p>"
        )
    rows = [
        [
            f'<a href="#defect-{x.number}">{x.number}</a>',
            f"{x.at_mm / 1000:.3f}",
            f"{x.length_mm:.1f}",
            escape(x.rule),
            x.points,
        ]
        for x in grade.lines[:LISTED]
    ]
    head = ["defect", "at, m", "longer side, mm", "rule", "points"]
    cut = _cut(len(grade.lines))
    shown = table(head, rows, numbers={0, 1, 2, 4}) if rows else ""
    return f"{rules}{sums}<details><summary>Points of each defect</summary>{cut}{shown}</details>"


def _per_length(grade: Grade) -> list[tuple[str, str, str]]:
    """The figure that decides where a length of cloth is allowed so many points, not an area."""
    unit_m = {"100 yd": 0.1 * YARD_MM, "100 m": 100.0}.get(grade.rules.accept_per)
    if unit_m is None:
        return []
    points = grade.points * unit_m / grade.inspected_m if grade.inspected_m else None
    return [(number(points, 1), f"points per {grade.rules.accept_per}", "")]


def unseen_section(roll: RollSheet) -> str:
    """The stretches that were not inspected, and why."""
    if not roll.not_inspected:
        return ""
    rows = [
        [f"{u.from_m:.3f}", f"{u.to_m:.3f}", f"{u.to_m - u.from_m:.3f}", escape(u.reason)] for u in roll.not_inspected[:LISTED]
    ]
    cut = _cut(len(roll.not_inspected))
    head = ["from, m", "to, m", "length, m", "reason"]
    return f"<details open><summary>Stretches not inspected</summary>{cut}{table(head, rows, numbers={0, 1, 2})}</details>"


def _cut(rows: int) -> str:
    return f"<p class='note'>The first {LISTED} of {rows:,}; all are in report.json.</p>" if rows > LISTED else ""
