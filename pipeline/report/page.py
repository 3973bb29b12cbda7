"""Writes the roll report: one HTML file beside the ledger, whose pictures are the crops that lie there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from glass_core.errors import InputError
from pipeline.crops import crop_path, map_path
from pipeline.joining import Defect
from pipeline.ledger import (
    read_camera_facts,
    read_cameras,
    read_defect_verdicts,
    read_runs,
    read_states,
    read_verdicts,
)
from pipeline.messages import LineState
from pipeline.report.roll_map import RollMap
from pipeline.report.style import STYLE
from pipeline.report.timeline import clock, timeline
from pipeline.report.truth import Comparison
from pipeline.roll import Metres, Summary, find_defects, measure, summarise

LISTED_DEFECTS = 300
LISTED_STATES = 200

Rows = Iterable[Sequence[object]]


def write_page(ledger: Path, out: Path, comparison: Comparison | None = None, run_id: str | None = None) -> Path:
    """Write report.html into the folder `out` for a run, by default the ledger's last; its path.

    Pictures are links to the crops beside the ledger. `comparison`: what was found, missed and falsely signalled, where
    the defects of the cloth are known. InputError where the ledger cannot be read or the page not be written.
    """
    runs = read_runs(ledger)
    run_id = run_id or next(reversed(runs), None)
    facts = runs.get(run_id or "", {})
    summary, metres = summarise(ledger, run_id), measure(ledger, run_id)
    states = list(read_states(ledger, run_id))
    defects = find_defects(read_defect_verdicts(ledger, run_id))
    drawing, end_utc_ns = _draw(ledger, run_id, facts, metres)
    body = "".join([
        _head(facts, run_id or ""),
        _warnings(facts, summary),
        _figures(summary, metres, comparison),
        _section("The roll", f'<div class="panel">{drawing.svg(defects, comparison)}{_legend(comparison)}</div>'),
        _truth_table(comparison, defects),
        _defects(defects, comparison, ledger.parent, out, run_id or ""),
        _gaps(summary, metres),
        _states(states, end_utc_ns),
        _cameras(ledger, run_id, metres),
        _model(facts, summary),
        _config(facts),
    ])  # fmt: skip
    title = escape(f"Roll report {facts.get('line', '')}")
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )
    path, beside = out / "report.html", out / ".report.html.part"
    try:
        out.mkdir(parents=True, exist_ok=True)
        beside.write_text(page, encoding="utf-8")
        beside.replace(path)
    except OSError as e:
        raise InputError(f"page not writable ({e.strerror}), {path}, choose another folder or make room") from None
    return path


def _draw(ledger: Path, run_id: str | None, facts: dict[str, Any], metres: Metres | None) -> tuple[RollMap, int]:
    """The map, filled, and the time of the last verdict."""
    in_mm = metres is not None and metres.extent_mm is not None
    most_frames = max((frames for frames, _ in read_cameras(ledger, run_id).values()), default=1)
    along = metres.extent_mm if metres and metres.extent_mm else (0.0, float(most_frames))
    cameras = (facts.get("config") or {}).get("cameras", [])
    scales = {c["name"]: (c.get("mm_per_px_x"), c.get("x_offset_mm", 0.0)) for c in cameras}
    drawing, end_utc_ns = RollMap(along, in_mm, scales), 0
    for v in read_verdicts(ledger, run_id):
        drawing.add(v)
        end_utc_ns = max(end_utc_ns, v.t_utc_ns)
    return drawing, end_utc_ns


def _head(facts: dict[str, Any], run_id: str) -> str:
    parts = [
        f"run {run_id}",
        f"started {facts.get('started', 'unknown')[:19].replace('T', ' ')} UTC",
        f"glassline {facts.get('version', '')}",
    ]
    return f"<h1>Roll report: {escape(str(facts.get('line', 'line')))}</h1><p class='lead'>{escape(', '.join(parts))}</p>"


def _warnings(facts: dict[str, Any], summary: Summary) -> str:
    card = facts.get("card") or {}
    info = facts.get("model_info") or {}
    warnings = []
    if facts.get("card_provisional"):
        needs = card.get("needs") or {}
        metres = f" ({needs['metres']:g} m)" if needs.get("metres") is not None else ""
        more = f" It needs {needs['frames']} more good frames{metres} to be final." if needs.get("frames") else ""
        warnings.append(f"PROVISIONAL threshold card: too few good samples, the thresholds are an estimate.{more}")
    if not summary.card_sha:
        warnings.append("No threshold card was in force: nothing on this roll was judged.")
    if info.get("arch") == "embedded":
        warnings.append(
            "The model stands on the embedded filter bank, not on trained weights: good for a "
            "demonstration and for coarse defects."
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


def _legend(comparison: Comparison | None) -> str:
    def key(shape: str, text: str) -> str:
        return f'<span><svg viewBox="0 0 16 16">{shape}</svg>{text}</span>'

    entries = [
        key('<rect class="ok" width="16" height="16"/>', "inspected"),
        key('<rect width="16" height="16" fill="url(#hatch-NO_SCORE)"/>', "not inspected, with its reason"),
        key('<rect class="mark" x="3" y="3" width="10" height="10"/>', "defect"),
    ]
    if comparison is not None:
        entries += [
            key('<circle class="truth found" cx="8" cy="8" r="6"/>', "known defect, found"),
            key('<circle class="truth missed" cx="8" cy="8" r="6"/>', "known defect, missed"),
        ]
    return f'<div class="legend">{"".join(entries)}</div>'


def _truth_table(comparison: Comparison | None, defects: Sequence[Defect]) -> str:
    if comparison is None:
        return ""
    number = {d.key: n for n, d in enumerate(defects, 1)}
    rows = []
    for truth, hits in zip(comparison.injected, comparison.hits, strict=True):
        marks = ", ".join(f'<a href="#defect-{number[d.key]}">{number[d.key]}</a>' for d in hits)
        score = f"{max(d.strongest.region.score for d in hits):.3f}" if hits else ""
        rows.append(
            [
                escape(truth.kind),
                escape(truth.camera),
                f"{(truth.y0_mm + truth.y1_mm) / 2000:.3f} m",
                f"{(truth.x0_mm + truth.x1_mm) / 2:.0f} mm",
                f"{truth.strength:g}",
                f"found: {marks}" if hits else "<b>missed</b>",
                score,
            ]
        )
    table = _table(["known defect", "camera", "along", "across", "strength", "result", "score"], rows)
    others = ", ".join(f'<a href="#defect-{number[d.key]}">{number[d.key]}</a>' for d in comparison.false_alarms)
    false = f"<p>False alarms: {others or 'none'}.</p>"
    return _section("Against what is known to be in the cloth", table + false)


def _defects(defects: Sequence[Defect], comparison: Comparison | None, folder: Path, page: Path, run_id: str) -> str:
    if not defects:
        return _section("Defects", "<p>None.</p>")
    numbered = list(enumerate(defects, 1))
    strongest = sorted(numbered, key=lambda nd: -nd[1].strongest.region.score)[:LISTED_DEFECTS]
    cards = "".join(_defect(n, d, comparison, folder, page, run_id) for n, d in sorted(strongest, key=lambda nd: nd[0]))
    cut = (
        ""
        if len(defects) <= LISTED_DEFECTS
        else (f'<p class="note">The {LISTED_DEFECTS} strongest of {len(defects):,} defects; all are in verdicts.jsonl.</p>')
    )
    return _section("Defects", f'{cut}<div class="defects">{cards}</div>')


def _defect(number: int, defect: Defect, comparison: Comparison | None, folder: Path, page: Path, run_id: str) -> str:
    sighting = defect.strongest
    verdict, region = sighting.verdict, sighting.region
    if defect.box_mm:
        y0, y1, x0, x1 = defect.box_mm
        place = f"{y0 / 1000:.3f} m along, {x0:.0f} to {x1:.0f} mm across ({x1 - x0:.0f} x {y1 - y0:.0f} mm)"
    else:
        place = f"x {region.x0_px} to {region.x1_px}, y {region.y0_px} to {region.y1_px} px"
    frames = defect.frames
    seen = f"frame {verdict.seq}, verdict {verdict.number}" + (f", seen in {frames} frames" if frames > 1 else "")
    tag = ""
    if comparison is not None:
        kind = comparison.kind_at(defect)
        tag = f'<span class="tag">{escape(kind)}</span>' if kind else '<span class="tag false">false alarm</span>'
    crop = crop_path(folder, run_id, verdict, sighting.index)
    pictures = [_picture(crop, page, "the cloth"), _picture(map_path(crop), page, "its heat map")]
    origin = f"<br>{escape(Path(verdict.origin).name)}" if verdict.origin else ""
    return (
        f'<div class="defect" id="defect-{number}"><div class="pictures">{"".join(pictures)}</div>'
        f'<div class="text">{tag}<b>{number}. {escape(verdict.camera)}, score {region.score:.3f}</b>'
        f'<div class="bar"><i style="width:{100 * min(max(region.score, 0), 1):.0f}%"></i></div>'
        f"{place}<br>{seen}{origin}</div></div>"
    )


def _picture(path: Path, page: Path, what: str) -> str:
    if not path.is_file():
        return "<div>no picture kept</div>"
    source = escape(quote(os.path.relpath(path, page)))
    return f'<a href="{source}"><img src="{source}" alt="{what}" loading="lazy"></a>'


def _gaps(summary: Summary, metres: Metres | None) -> str:
    reasons = sorted({*summary.reasons, *(metres.reasons_mm if metres else ())})
    if not reasons:
        return _section("Not inspected", "<p>Nothing: every frame was judged in time.</p>")
    rows = [
        [escape(r), f"{summary.reasons.get(r, 0):,}", f"{metres.reasons_mm.get(r, 0) / 1000:.3f}" if metres else "unknown"]
        for r in reasons
    ]
    late = f"<p class='note'>Scores that came after their verdict, counted and otherwise ignored: {summary.late_scores}.</p>"
    return _section("Not inspected", _table(["reason", "verdicts", "line metres"], rows, numbers={1, 2}) + late)


def _states(states: Sequence[LineState], end_utc_ns: int) -> str:
    if not states:
        return ""
    rows = [
        [clock(s.t_utc_ns), s.state, "yes" if s.inspection_ok else "<b>NO</b>", escape(s.detail)]
        for s in states[-LISTED_STATES:]
    ]
    table = _table(["UTC", "state", "inspection ok", "detail"], rows)
    cut = f" (the last {LISTED_STATES})" if len(states) > LISTED_STATES else ""
    note = '<p class="note">The red line below the bar: inspection was not ok.</p>'
    bar = f'<div class="panel">{timeline(states, end_utc_ns)}</div>{note}'
    return _section("The line", f"{bar}<details><summary>{len(states)} changes of state{cut}</summary>{table}</details>")


def _cameras(ledger: Path, run_id: str | None, metres: Metres | None) -> str:
    facts = read_camera_facts(ledger, run_id)
    seen = read_cameras(ledger, run_id)
    rows = []
    for name in sorted({*facts, *seen, *(metres.cameras_mm if metres else ())}):
        own = f"{metres.cameras_mm.get(name, 0) / 1000:.3f}" if metres else "unknown"
        dump = yaml.safe_dump(facts.get(name, {}), sort_keys=False, allow_unicode=True) if facts.get(name) else ""
        shown = f"<details><summary>as it was opened</summary><pre>{escape(dump)}</pre></details>" if dump else ""
        rows.append([escape(name), f"{seen.get(name, (0, 0))[0]:,}", own, shown])
    return _section("Cameras", _table(["camera", "frames", "metres judged", ""], rows, numbers={1, 2}))


def _model(facts: dict[str, Any], summary: Summary) -> str:
    info, card = facts.get("model_info") or {}, facts.get("card") or {}
    rows: list[list[object]] = [["model", escape(str(facts.get("model", "unknown")))]]
    if info:
        weights = info.get("weights") or {}
        rows += [
            ["backbone", escape(str(info.get("arch")))],
            ["its weights", escape(weights.get("path", "embedded filter bank, no file"))],
        ]
    rows += [
        ["weights SHA-256", _sha(summary.model_sha)],
        ["engine", _sha(facts.get("engine_sha"))],
        ["threshold card", _sha(summary.card_sha)],
    ]
    if card:
        kind = "<b>PROVISIONAL</b>" if card.get("provisional") else "final"
        low, high = min(card["thresholds"]), max(card["thresholds"])
        span = f"{low:.4f}" if low == high else f"{low:.4f} to {high:.4f}"
        rows += [
            ["card is", kind],
            ["thresholds", f"{span}, {len(card['thresholds'])} lanes, {escape(str(card.get('limits_are', '')))}"],
            ["from", f"{card.get('frames', 0):,} good frames ({escape(str(card.get('source', '')))})"],
            [
                "false alarms in 1000 frames",
                f"{card['expected_false_alarms_per_1000_frames']:.3g} expected, "
                f"{card['upper_false_alarms_per_1000_frames']:.3g} at most (95 %)",
            ],
        ]
    return _section("Model and card", _table(["", ""], rows))


def _config(facts: dict[str, Any]) -> str:
    if not facts.get("config"):
        return ""
    text = yaml.safe_dump(facts["config"], sort_keys=False, allow_unicode=True)
    return _section(
        "Configuration",
        f"<p class='sha'>{_sha(facts.get('config_sha'))}</p><details><summary>with all "
        f"defaults</summary><pre>{escape(text)}</pre></details>",
    )


def _sha(value: object) -> str:
    return f'<span class="sha">{escape(str(value))}</span>' if value else "none"


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>{content}"


def _table(head: Sequence[str], rows: Rows, numbers: set[int] | None = None) -> str:
    """Cells are HTML already: text from outside is escaped where it enters them."""
    kinds = ["n" if i in (numbers or ()) else "" for i in range(len(head))]
    top = "".join(f'<th class="{k}">{h}</th>' for h, k in zip(head, kinds, strict=True)) if any(head) else ""
    body = "".join(
        "<tr>" + "".join(f'<td class="{k}">{c}</td>' for c, k in zip(row, kinds, strict=True)) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table>{f"<thead><tr>{top}</tr></thead>" if top else ""}<tbody>{body}</tbody></table></div>'
