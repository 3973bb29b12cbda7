"""The roll report: one HTML file that can be sent, with its JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from glass_core.backbones import untrained_title
from pipeline.cloth.joining import Defect
from pipeline.ledger.reading import read_camera_facts, read_runs, read_states, read_verdicts
from pipeline.messages.line import LineState
from pipeline.messages.reasons import Reason
from pipeline.report import files
from pipeline.report.black_boxes import box_section
from pipeline.report.cut import cut_section, wish_of, with_cut
from pipeline.report.events import event_section
from pipeline.report.gallery import Gallery
from pipeline.report.grading import grade_section, unseen_section
from pipeline.report.pictures import clock, histogram, timeline
from pipeline.report.provenance import camera_section, config_section, model_section, overlap_section
from pipeline.report.roll import Covered, Metres, Summary, read_covered, summarise
from pipeline.report.roll_map import RollMap
from pipeline.report.sheet import DefectRow, RollSheet, RunSheet, read_sheet
from pipeline.report.style import STYLE
from pipeline.report.tables import number, section, table
from pipeline.report.truth import Comparison

LISTED_DEFECTS = 300
LISTED_STATES = 200


def write_page(ledger: Path, out: Path, comparison: Comparison | None = None, run_id: str | None = None) -> Path:
    """As `issue_report`; the page's path alone."""
    return issue_report(ledger, out, comparison, run_id)[0]


def issue_report(
    ledger: Path,
    out: Path,
    comparison: Comparison | None = None,
    run_id: str | None = None,
    lengths_m: Sequence[float] = (),
) -> tuple[Path, RunSheet]:
    """Write report.html, report.json and defects.csv into the folder `out` for a run, by default the ledger's last.

    Returns the page's path and the sheet that it shows. The pictures of defects stand inside it, see `gallery`.
    `comparison`: what was found, missed and falsely signalled, where the defects of the cloth are known. `lengths_m`: of the
    pieces that a cut is proposed into, in place of the configured ones. InputError where the ledger cannot be read or the page
    not be written.
    """
    runs = read_runs(ledger)
    run_id = run_id or next(reversed(runs), None)
    facts = runs.get(run_id or "", {})
    covered = read_covered(ledger, run_id)
    summary, metres = summarise(ledger, run_id, covered), covered.metres
    states = list(read_states(ledger, run_id))
    sheet, defects = read_sheet(ledger, run_id, covered)
    wish = wish_of(facts.get("config") or {}, lengths_m)
    sheet = sheet.model_copy(update={"rolls": tuple(with_cut(r, wish) for r in sheet.rolls)})
    maps, end_utc_ns = _draw(ledger, facts, sheet, covered)
    rolls = "".join(_roll(r, maps.get(r.roll_id), defects, comparison, many=len(sheet.rolls) > 1) for r in sheet.rolls)
    body = "".join([
        _head(facts, sheet),
        _warnings(facts, summary, metres, sheet),
        _figures(summary, metres, comparison),
        rolls,
        _outside(sheet.outside),
        _truth_table(comparison, defects),
        _repeats(sheet),
        _defects(defects, sheet, comparison, Gallery(ledger.parent, out)),
        _gaps(summary, metres),
        _states(states, end_utc_ns),
        box_section(ledger.parent, facts),
        camera_section(read_camera_facts(ledger, run_id), covered.cameras, metres),
        overlap_section(sheet),
        model_section(facts, "Model and card"),
        *(model_section(known, f"Model and card of style {escape(n)}") for n, known in (facts.get("styles") or {}).items()),
        config_section(facts),
    ])  # fmt: skip
    title = escape(f"Roll report {facts.get('line', '')}")
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )
    return files.write(out, page, sheet), sheet


def _draw(ledger: Path, facts: dict[str, Any], sheet: RunSheet, covered: Covered) -> tuple[dict[str, RollMap], int]:
    """The map of each roll, filled, and the time of the last verdict."""
    most_frames = max((frames for frames, _ in covered.cameras.values()), default=1)
    cameras = (facts.get("config") or {}).get("cameras", [])
    scales = {c["name"]: (c.get("mm_per_px_x"), c.get("x_offset_mm", 0.0)) for c in cameras}
    maps, end_utc_ns = {}, 0
    for r in sheet.rolls:
        in_mm = r.start_mm is not None and r.end_mm is not None
        along = (r.start_mm or 0.0, r.end_mm or 0.0) if in_mm else (0.0, float(most_frames))
        maps[r.roll_id] = RollMap(along, in_mm, scales)
    for v in read_verdicts(ledger, sheet.run_id or None):
        if v.roll_id in maps:
            maps[v.roll_id].add(v)
        end_utc_ns = max(end_utc_ns, v.t_utc_ns)
    for camera, roll_id, start_mm, end_mm in covered.lost:
        if roll_id in maps:
            maps[roll_id].lose(camera, start_mm, end_mm)
    return maps, end_utc_ns


def _roll(roll: RollSheet, drawing: RollMap | None, defects: list[Defect], comparison: Comparison | None, many: bool) -> str:
    own = {row.key for row in roll.defects}
    numbered = [(n, d) for n, d in enumerate(defects, 1) if d.key in own]
    name = f"Roll {escape(roll.roll_id)}" if roll.roll_id else "The roll"
    length = "" if not many or roll.inspected_m is None else (
        f"<p>{roll.inspected_m:,.3f} m inspected, {number(roll.not_inspected_m, 3)} m not inspected.</p>"
    )  # fmt: skip
    picture = f'<div class="panel">{drawing.svg(numbered, comparison, roll.cut) if drawing else ""}</div>'
    bars = histogram(roll)
    along = f'<div class="panel">{bars}</div>' if bars else ""
    return (
        section(name, length + picture + along)
        + grade_section(roll)
        + cut_section(roll)
        + unseen_section(roll)
        + event_section(roll.events)
    )


def _outside(cloth: RollSheet | None) -> str:
    """Cloth that belongs to no roll: it is told, and neither drawn nor graded."""
    if cloth is None:
        return ""
    numbers = ", ".join(f'<a href="#defect-{r.number}">{r.number}</a>' for r in cloth.defects)
    words = (
        f"<p>{number(cloth.inspected_m, 3)} m inspected, {number(cloth.not_inspected_m, 3)} m not inspected. "
        f"Defects: {numbers or 'none'}. Places count from where such cloth first came. It is not graded.</p>"
    )
    return section("Outside any roll", words + unseen_section(cloth))


def _repeats(sheet: RunSheet) -> str:
    """Defects that come again at a fixed distance."""
    series: dict[str, list[DefectRow]] = {}
    for row in sheet.rows.values():
        if row.repeat:
            series.setdefault(row.repeat, []).append(row)
    rows = [
        [
            escape(name),
            len(own),
            f"{own[0].period_mm:.1f}",
            f"{((own[0].left_mm or 0) + (own[0].right_mm or 0)) / 2:.0f}",
            ", ".join(f'<a href="#defect-{r.number}">{r.number}</a>' for r in own),
        ]
        for name, own in series.items()
    ]
    head = ["series", "defects", "period, mm", "across, mm", "which"]
    return section("Repeating defects", table(head, rows, numbers={1, 2, 3}) if rows else "")


def _head(facts: dict[str, Any], sheet: RunSheet) -> str:
    parts = [
        f"run {sheet.run_id}",
        f"started {facts.get('started', 'unknown')[:19].replace('T', ' ')} UTC",
        f"glassline {facts.get('version', '')}",
        f"revision {sheet.revision}" + (", with what people said of the defects" if sheet.revision else ", as inspected"),
    ]
    return f"<h1>Roll report: {escape(str(facts.get('line', 'line')))}</h1><p class='lead'>{escape(', '.join(parts))}</p>"


def _warnings(facts: dict[str, Any], summary: Summary, seen: Metres | None, sheet: RunSheet) -> str:
    info = facts.get("model_info") or {}
    warnings = []
    for of, known in (("", facts), *((f" of style {s}", known) for s, known in (facts.get("styles") or {}).items())):
        if known.get("card_provisional"):
            needs = (known.get("card") or {}).get("needs") or {}
            length = f" ({needs['metres']:g} m)" if needs.get("metres") is not None else ""
            more = f" It needs {needs['frames']} more good frames{length} to be final." if needs.get("frames") else ""
            warnings.append(f"PROVISIONAL threshold card{of}: too few good samples, the thresholds are an estimate.{more}")
    if seen and (lost_mm := seen.reasons_mm.get(Reason.RECORD_LOST)):
        warnings.append(
            f"The record of {lost_mm / 1000:,.3f} m is lost: that cloth counts as not inspected ({Reason.RECORD_LOST})."
        )
    if missing := str(sheet.missing):
        warnings.append(missing)
    if not summary.card_sha:
        warnings.append("No threshold card was in force: nothing on this roll was judged.")
    if title := untrained_title(info.get("arch", "")):
        warnings.append(
            f"The model stands on the {title}, not on trained weights: good for a demonstration and for coarse defects."
        )
    return "".join(f'<div class="warn">{escape(w)}</div>' for w in warnings)


def _figures(summary: Summary, metres: Metres | None, comparison: Comparison | None) -> str:
    def m(mm: float) -> str:
        return f"{mm / 1000:,.3f} m" if mm < 100_000 else f"{mm / 1000:,.1f} m"

    figures: list[tuple[str, str, str]] = []
    if metres:
        seen = metres.inspected_mm + metres.not_inspected_mm
        share = f" ({100 * metres.inspected_mm / seen:.2f} %)" if seen else ""
        figures += [
            (m(metres.inspected_mm), f"inspected{share}", "ok"),
            (m(metres.not_inspected_mm), "not inspected", "gap" if metres.not_inspected_mm else ""),
        ]
    figures += [(f"{summary.defects:,}", "defects", "bad" if summary.defects else "")]
    if comparison:
        figures += [
            (f"{comparison.found} of {len(comparison.injected)}", "known defects found", "ok"),
            (f"{comparison.missed}", "missed", "bad" if comparison.missed else ""),
            (f"{comparison.not_inspected}", "known defects not inspected", "gap" if comparison.not_inspected else ""),
            (f"{len(comparison.false_alarms)}", "false alarms", "bad" if comparison.false_alarms else ""),
        ]
    figures += [
        (f"{summary.frames:,}", "frames, each with one verdict", ""),
        (f"{summary.not_inspected:,}", "verdicts NOT_INSPECTED", "gap" if summary.not_inspected else ""),
    ]
    if summary.frames_per_s is not None:
        figures += [(f"{summary.frames_per_s:,.1f}", "frames per second", "")]
    if summary.latency_ms["p95"] is not None:
        figures += [(f"{summary.latency_ms['p95']:,.0f} ms", "picture to verdict (95 % within)", "")]
    cells = "".join(f'<div class="figure {kind}"><b>{value}</b><span>{name}</span></div>' for value, name, kind in figures)
    return f'<div class="figures">{cells}</div>'


def _truth_table(comparison: Comparison | None, defects: Sequence[Defect]) -> str:
    if comparison is None:
        return ""
    numbers = {d.key: n for n, d in enumerate(defects, 1)}
    rows = []
    for truth, hits, fate in zip(comparison.injected, comparison.hits, comparison.fates, strict=True):
        marks = ", ".join(f'<a href="#defect-{numbers[d.key]}">{numbers[d.key]}</a>' for d in hits)
        score = f"{max(d.strongest.region.score for d in hits):.3f}" if hits else ""
        rows.append(
            [
                escape(truth.kind),
                escape(truth.camera),
                f"{(truth.y0_mm + truth.y1_mm) / 2000:.3f} m",
                f"{(truth.x0_mm + truth.x1_mm) / 2:.0f} mm",
                f"{truth.strength:g}",
                f"found: {marks}" if hits else f"<b>{escape(fate)}</b>",
                score,
            ]
        )
    shown = table(["known defect", "camera", "along", "across", "strength", "result", "score"], rows)
    others = ", ".join(f'<a href="#defect-{numbers[d.key]}">{numbers[d.key]}</a>' for d in comparison.false_alarms)
    false = f"<p>False alarms: {others or 'none'}.</p>"
    return section("Against what is known to be in the cloth", shown + false)


def _defects(defects: Sequence[Defect], sheet: RunSheet, comparison: Comparison | None, gallery: Gallery) -> str:
    if not defects:
        return section("Defects", "<p>None.</p>")
    rows = sheet.rows
    strongest = sorted(defects, key=lambda d: -d.strongest.region.score)[:LISTED_DEFECTS]
    pictures = {d: gallery.show(rows[d.key]) for d in strongest}
    chosen = sorted(strongest, key=lambda d: rows[d.key].number)
    cards = "".join(_defect(d, rows[d.key], comparison, pictures[d]) for d in chosen)
    cut = (
        ""
        if len(defects) <= LISTED_DEFECTS
        else f"The {LISTED_DEFECTS} strongest of {len(defects):,}; all are in defects.csv. "
    )
    cell_px = max(d.strongest.verdict.cell_px for d in defects)
    note = (
        f"{cut}Sizes are measured where the model's answer falls to half, between cells of {cell_px} px: be prepared for an "
        "error of two cells or a tenth, and more where a defect fades out."
    )
    return section("Defects", f'<p class="note">{note}</p>{gallery.note}<div class="defects">{cards}</div>')


def _defect(defect: Defect, row: DefectRow, comparison: Comparison | None, pictures: str) -> str:
    verdict = defect.strongest.verdict
    if row.at_m is not None:
        place = (
            f"{row.at_m:.3f} m along, {row.left_mm:.0f} to {row.right_mm:.0f} mm across "
            f"({row.width_mm:.0f} x {row.length_mm:.0f} mm, {number(row.area_mm2)} mm²), severity {row.severity}"
        )
    else:
        place = f"x {row.x0_px} to {row.x1_px}, y {row.y0_px} to {row.y1_px} px"
    frames = f", seen in {row.frames} frames" if row.frames > 1 else ""
    seen = f"frame {verdict.seq}, verdict {verdict.number}{frames}"
    tags = [f'<span class="tag">{escape(t)}</span>' for t in (row.disposition, row.kind, row.perhaps, row.repeat) if t]
    if comparison is not None:
        kind = comparison.kind_at(defect)
        tags.append(f'<span class="tag">{escape(kind)}</span>' if kind else '<span class="tag false">false alarm</span>')
    origin = f"<br>{escape(Path(verdict.origin).name)}" if verdict.origin else ""
    return (
        f'<div class="defect" id="defect-{row.number}"><div class="pictures">{pictures}</div>'
        f'<div class="text">{"".join(tags)}<b>{row.number}. {escape(", ".join(row.cameras))}, score {row.score:.3f}</b>'
        f'<div class="bar"><i style="width:{100 * min(max(row.score, 0), 1):.0f}%"></i></div>'
        f"{place}<br>{seen}{origin}</div></div>"
    )


def _gaps(summary: Summary, metres: Metres | None) -> str:
    reasons = sorted({*summary.reasons, *(metres.reasons_mm if metres else ())})
    if not reasons:
        return section("Not inspected", "<p>Nothing: every frame was judged in time.</p>")
    rows = [
        [
            escape(r), f"{summary.reasons.get(r, 0):,}", f"{metres.reasons_mm.get(r, 0) / 1000:.3f}" if metres else "unknown",
            escape(Reason(r).meaning), escape(Reason(r).remedy),
        ]
        for r in reasons
    ]  # fmt: skip
    late = f"<p class='note'>Scores that came after their verdict, counted and otherwise ignored: {summary.late_scores}.</p>"
    head = ["reason", "verdicts", "line metres", "what it means", "what to do"]
    return section("Not inspected", table(head, rows, numbers={1, 2}) + late)


def _states(states: Sequence[LineState], end_utc_ns: int) -> str:
    if not states:
        return ""
    rows = [
        [clock(s.t_utc_ns), s.state, "yes" if s.inspection_ok else "<b>NO</b>", escape(s.detail)]
        for s in states[-LISTED_STATES:]
    ]
    shown = table(["UTC", "state", "inspection ok", "detail"], rows)
    cut = f" (the last {LISTED_STATES})" if len(states) > LISTED_STATES else ""
    note = '<p class="note">The red line below the bar: inspection was not ok.</p>'
    bar = f'<div class="panel">{timeline(states, end_utc_ns)}</div>{note}'
    return section("The line", f"{bar}<details><summary>{len(states)} changes of state{cut}</summary>{shown}</details>")
