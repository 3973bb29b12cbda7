"""The statistics of a mill as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pipeline.messages.reasons import Reason
from pipeline.report.mill.figures import Figure
from pipeline.report.mill.rows import FALSE_ALARM, NO_WORD
from pipeline.report.style import STYLE
from pipeline.report.tables import number, section, table

PARETO = {"kind": "Defects by kind", "place": "Defects by place across the cloth", "camera": "Defects by camera"}
BY_ROLL = {"loom": "Points by loom", "shift": "Points by shift", "style": "Points by style", "week": "Points by week",
           "quality": "Rolls by quality", "rules": "Rolls by rule set"}  # fmt: skip
LISTED = 200


def draw_page(figures: Sequence[Figure], zone: str, warning: str) -> str:
    """The whole page; text from outside is escaped. `zone`: of shifts and weeks."""
    of: dict[str, list[Figure]] = {}
    for figure in figures:
        of.setdefault(figure.statistic, []).append(figure)
    body = "".join([
        "<h1>What the rolls say together</h1>",
        f'<p class="lead">A roll belongs to the shift and week in which its inspection began, in {escape(zone)}.</p>',
        f'<div class="warn">{escape(warning)}</div>' if warning else "",
        _heads(of),
        *(section(title, _pareto(of.get(name, []))) for name, title in PARETO.items()),
        *(section(title, _by_roll(name, of.get(name, []))) for name, title in BY_ROLL.items()),
        section("What people said", _words(of.get("word", []))),
        section("Not inspected", _reasons(of.get("reason", []))),
    ])  # fmt: skip
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What the rolls say together</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )


def _heads(of: dict[str, list[Figure]]) -> str:
    rolls = of["quality"]
    said = {f.name: f.defects or 0 for f in of.get("word", [])}
    reviewed = sum(said.values()) - said.get(NO_WORD, 0)
    false = f"{100 * said.get(FALSE_ALARM, 0) / reviewed:.1f} %" if reviewed else "unknown"
    found = [
        (f"{sum(f.rolls for f in rolls):,}", "rolls"),
        (number(sum(f.inspected_m or 0 for f in rolls), 1, " m"), "inspected"),
        (number(sum(f.not_inspected_m or 0 for f in rolls), 1, " m"), "not inspected"),
        (f"{sum(f.defects or 0 for f in rolls):,}", "defects, without false alarms"),
        (false, f"false alarms among the {reviewed:,} that people judged"),
    ]
    return f'<div class="figures">{"".join(f"<div class=figure><b>{v}</b><span>{n}</span></div>" for v, n in found)}</div>'


def _pareto(figures: Sequence[Figure]) -> str:
    rows = [
        [escape(f.name), f.defects, f.rolls, number(f.points), _bar(f.share), _percent(f.share), _percent(f.share_so_far)]
        for f in figures[:LISTED]
    ]
    return _table(["", "defects", "in rolls", "points", "", "share", "so far"], rows, {1, 2, 3, 5, 6}, len(figures))


def _by_roll(name: str, figures: Sequence[Figure]) -> str:
    worst = max((f.points_per_100_m2 or 0 for f in figures), default=0)
    rows = [
        [
            escape(f.name), f.rolls, number(f.inspected_m, 1), number(f.not_inspected_m, 1), f.defects, number(f.points),
            number(f.points_per_100_m2, 1), _bar((f.points_per_100_m2 or 0) / worst if worst else 0),
        ]
        for f in figures[:LISTED]
    ]  # fmt: skip
    head = [name, "rolls", "inspected, m", "not inspected, m", "defects", "points", "per 100 m²", ""]
    return _table(head, rows, {1, 2, 3, 4, 5, 6}, len(figures))


def _words(figures: Sequence[Figure]) -> str:
    rows = [[escape(f.name), f.defects, f.rolls, _bar(f.share), _percent(f.share)] for f in figures]
    return _table(["word", "defects", "in rolls", "", "share"], rows, {1, 2, 4}, len(figures))


def _reasons(figures: Sequence[Figure]) -> str:
    known = {str(reason): reason for reason in Reason}
    rows = [
        [
            escape(f.name), number(f.not_inspected_m, 3), f.rolls, _bar(f.share), _percent(f.share), _percent(f.share_so_far),
            escape(known[f.name].remedy) if f.name in known else "",
        ]
        for f in figures
    ]  # fmt: skip
    head = ["reason", "m", "in rolls", "", "share", "so far", "what to do"]
    return _table(head, rows, {1, 2, 4, 5}, len(figures)) or "<p>Nothing: all cloth of the rolls was inspected.</p>"


def _table(head: list[str], rows: Sequence[Sequence[object]], numbers: set[int], count: int) -> str:
    more = f"<p class='note'>The first {LISTED} of {count:,}; all are in the CSV.</p>" if count > LISTED else ""
    return more + table(head, rows, numbers) if rows else ""


def _bar(share: float | None) -> str:
    return f'<div class="bar" style="min-width:120px"><i style="width:{100 * (share or 0):.1f}%"></i></div>'


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"
