"""The sheet of a roll: what was inspected, every defect with its place and size, and the grade; one for each roll of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.cloth.borders import Borders
from pipeline.cloth.joining import Defect
from pipeline.cloth.repeats import find_repeats
from pipeline.cloth.width import judged_mm
from pipeline.config.cameras import CameraBase
from pipeline.grading import CutProposal, Flaw, Grade, Rules, grade, severity
from pipeline.ledger.crops import kept_path, map_path
from pipeline.ledger.dispositions import UNKNOWN, Disposition, in_force, read_dispositions, waits_for_kind
from pipeline.ledger.lost import Missing
from pipeline.ledger.proposals import ProposedKind, read_proposals
from pipeline.ledger.reading import (
    read_alignments,
    read_borders,
    read_camera_facts,
    read_cloth_edges,
    read_defect_verdicts,
    read_events,
    read_frame_shapes,
    read_runs,
)
from pipeline.messages.cloth import Alignment, SpanEvent
from pipeline.messages.verdicts import Verdict
from pipeline.report.events import EventRow, event_rows
from pipeline.report.roll import Cover, Covered, find_defects, read_covered


class DefectRow(BaseModel):
    """A defect as a line of a table: lengths are null where the scale is not known, then the px of its strongest frame tell."""

    model_config = ConfigDict(frozen=True)

    number: int
    key: tuple[int, int, int]
    roll_id: str
    cameras: tuple[str, ...]
    at_m: float | None
    """Its start, from the start of the roll."""
    left_mm: float | None
    """Its left edge, from the origin across the cloth."""
    right_mm: float | None
    length_mm: float | None
    width_mm: float | None
    area_mm2: float | None
    severity: int | None
    """1 to 4, the class of its length; how many points that is, the rules say."""
    score: float
    x0_px: int
    y0_px: int
    x1_px: int
    y1_px: int
    frames: int
    repeat: str | None
    period_mm: float | None
    disposition: str | None
    kind: str | None
    """As a person has named it."""
    seen: datetime
    picture: str | None
    """Relative to the ledger's folder."""
    heat_map: str | None
    proposal: str | None = None
    """What `glassline kinds` proposes where nobody has named a kind; it changes no points."""
    confidence: float | None = None
    """Of the proposal, 0 to 1."""

    @property
    def perhaps(self) -> str:
        """The proposal in words; empty: there is none."""
        return "" if self.proposal is None else f"perhaps: {self.proposal} ({self.confidence:.1f})"


class Unseen(BaseModel):
    """A stretch that was not inspected, from the start of the roll."""

    model_config = ConfigDict(frozen=True)

    from_m: float
    to_m: float
    reason: str


class RollSheet(BaseModel):
    """One roll."""

    model_config = ConfigDict(frozen=True)

    roll_id: str
    """Its name; of a second roll of that name in the run "NAME (2)"."""
    start_mm: float | None
    """Where it begins on the line's cloth; null where the scale is not known."""
    end_mm: float | None
    edges_mm: tuple[float, float] | None
    """The inspected width."""
    inspected_m: float | None
    not_inspected_m: float | None
    not_inspected: tuple[Unseen, ...]
    events: tuple[EventRow, ...]
    """The spans that are no plain cloth."""
    defects: tuple[DefectRow, ...]
    grade: Grade | None
    """Null where the scale is not known, and outside any roll."""
    cut: CutProposal | None = None
    """Null where it has no grade, or nobody asked for one: reading a record proposes none."""


class StyleRow(BaseModel):
    """By what cloth of a style was scored and judged; verdicts name the same hashes."""

    model_config = ConfigDict(frozen=True)

    model: str
    weights_sha: str | None
    engine_sha: str | None
    card_sha: str | None


class SettingRow(BaseModel):
    """How a camera was set while its verdicts had this boot_id."""

    model_config = ConfigDict(frozen=True)

    camera: str
    boot_id: str
    cards: dict[str, str]
    """Kind of card (flatfield, scale, alignment) and its hash."""
    style: str | None
    """For which style it was set; null: no style sets it."""
    features_set: dict[str, bool | int | float | str]
    """By the styles, as read back."""
    on_record: bool = True
    """False: the record has lost how it was set."""


class OverlapRow(BaseModel):
    """How two neighbours were found to be aligned; null: no comparison found a place."""

    model_config = ConfigDict(frozen=True)

    left: str
    right: str
    comparisons: int
    told: int
    """Of them those that found a place."""
    across_mm: float | None
    along_mm: float | None
    """Furthest from where the right one should look."""


class RunSheet(BaseModel):
    """All rolls of a run, and which issue of the report this is."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    run_id: str
    line: str
    started: str
    version: str
    revision: int
    """0: as inspected; each word of the review makes the next."""
    weights_sha: str | None
    card_sha: str | None
    config_sha: str | None
    styles: dict[str, StyleRow]
    """Those with a model of their own."""
    settings: tuple[SettingRow, ...]
    overlaps: tuple[OverlapRow, ...]
    rolls: tuple[RollSheet, ...]
    outside: RollSheet | None
    """Cloth before, between and after rolls: its metres and defects are told, and it is never graded."""
    missing: Missing = Missing()

    @property
    def rows(self) -> dict[tuple[int, int, int], DefectRow]:
        """Every defect by its key."""
        cloth = self.rolls if self.outside is None else (*self.rolls, self.outside)
        return {row.key: row for roll in cloth for row in roll.defects}

    @property
    def waiting(self) -> list[DefectRow]:
        """The defects that nobody has said anything of."""
        return [row for row in self.rows.values() if row.disposition is None]


def read_roll(ledger: Path, run_id: str | None = None) -> RunSheet:
    """What a ledger says of a run (default: the last): metres, defects and the grade of each of its rolls.

    Raises InputError where there is no such ledger or run.

    >>> sheet = read_roll(folder / "record" / "ledger.sqlite")
    >>> [len(roll.defects) for roll in sheet.rolls]
    [0]
    """
    return read_sheet(ledger, run_id)[0]


def read_sheet(ledger: Path, run_id: str | None = None, covered: Covered | None = None) -> tuple[RunSheet, list[Defect]]:
    """The sheet of a run (default: the last) and its defects in the order of their numbers; InputError as the ledger's.

    `covered`: of that run, where it was read already.
    """
    runs = read_runs(ledger)
    run_id = run_id or next(reversed(runs), "")
    facts = runs.get(run_id, {})
    config = facts.get("config") or {}
    found = list(read_defect_verdicts(ledger, run_id))
    defects = find_defects(found)
    said = read_dispositions(ledger.parent, run_id)
    covered = covered or read_covered(ledger, run_id)
    covers = covered.rolls
    rules = _rules(config)
    borders = read_borders(ledger, run_id)
    styles = {name: roll.style for name, roll in borders.rolls.items()}
    width = _widths(facts, styles, read_frame_shapes(ledger, run_id), read_cloth_edges(ledger, run_id))
    proposed = read_proposals(ledger.parent, run_id)
    rows = _rows(defects, rules, in_force(said), proposed, covers or {}, borders, ledger.parent, run_id)
    # Without a scale nobody can say of which rolls cloth has come: each that was told has its sheet.
    known = covers if covers is not None else [*filter(None, borders.rolls)]
    names = dict.fromkeys([*known, *(r.roll_id for r in rows)]) or {"": None}
    events: dict[str, list[SpanEvent]] = {}
    for event in read_events(ledger, run_id):
        events.setdefault(borders.of(event.start_mm, event.end_mm, event.roll_id), []).append(event)
    within = [v for v in found if v.event is not None]
    in_rolls = any(names) or any(borders.rolls)  # where no roll was ever told, the run is one
    sheets = {
        name: _roll(
            name, (covers or {}).get(name), rows, rules if name or not in_rolls else None, width(name), events.get(name, ()),
            within,
        )
        for name in names
    }  # fmt: skip
    outside = sheets.pop("", None) if in_rolls else None
    sheet = RunSheet(
        run_id=run_id, line=str(facts.get("line", "line")), started=str(facts.get("started", "")),
        version=str(facts.get("version", "")), revision=len(said), weights_sha=facts.get("weights_sha"),
        card_sha=facts.get("card_sha"), config_sha=facts.get("config_sha"), rolls=tuple(sheets.values()), outside=outside,
        styles={name: StyleRow.model_validate(known) for name, known in (facts.get("styles") or {}).items()},
        settings=tuple(
            SettingRow(camera=camera, boot_id=boot_id, cards=known.get("cards", {}), style=known.get("style"),
                       features_set=known.get("features_set", {}), on_record=bool(known))
            for (camera, boot_id), known in read_camera_facts(ledger, run_id).items()
        ),
        overlaps=_overlaps(read_alignments(ledger, run_id)), missing=covered.missing,
    )  # fmt: skip
    return sheet, defects


def _overlaps(found: Iterable[Alignment]) -> tuple[OverlapRow, ...]:
    pairs: dict[tuple[str, str], list[Alignment]] = {}
    for each in found:
        pairs.setdefault((each.left, each.right), []).append(each)
    return tuple(
        OverlapRow(
            left=left, right=right, comparisons=len(all_), told=sum(a.across_mm is not None for a in all_),
            across_mm=max((a.across_mm for a in all_ if a.across_mm is not None), key=abs, default=None),
            along_mm=max((a.along_mm for a in all_ if a.along_mm is not None), key=abs, default=None),
        )
        for (left, right), all_ in pairs.items()
    )  # fmt: skip


def _rules(config: dict[str, Any]) -> Rules:
    try:
        return Rules.model_validate(config.get("grading", {}))
    except ValidationError:  # of an older or a foreign program
        return Rules()


def _rows(
    defects: list[Defect],
    rules: Rules,
    words: dict[tuple[int, int, int], Disposition],
    proposed: dict[tuple[int, int, int], ProposedKind],
    covers: dict[str, Cover],
    borders: Borders,
    folder: Path,
    run_id: str,
) -> list[DefectRow]:
    series = {d: r for r in find_repeats(defects) for d in r.members}
    rows = []
    for number, d in enumerate(defects, 1):
        region, size, box, word = d.strongest.region, d.size_mm, d.box_mm, words.get(d.key)
        kept = kept_path(folder, run_id, d)
        perhaps = proposed.get(d.key) if waits_for_kind(word) else None
        roll_id = d.roll_id if box is None else borders.of(box[0], box[1], d.roll_id)
        start_mm = covers[roll_id].start_mm if roll_id in covers else 0.0
        rows.append(
            DefectRow(
                number=number, key=d.key, roll_id=roll_id, cameras=tuple(sorted(d.cameras)),
                at_m=None if box is None else round((box[0] - start_mm) / 1000, 6),
                left_mm=_mm(box and box[2]), right_mm=_mm(box and box[3]), length_mm=_mm(size and size[0]),
                width_mm=_mm(size and size[1]), area_mm2=_mm(d.area_mm2),
                severity=None if size is None else severity(max(size), rules), score=region.score,
                x0_px=region.x0_px, y0_px=region.y0_px, x1_px=region.x1_px, y1_px=region.y1_px, frames=d.frames,
                repeat=series[d].name if d in series else None, period_mm=_mm(series[d].period_mm) if d in series else None,
                disposition=word.word if word else None, kind=word.kind if word else None,
                seen=datetime.fromtimestamp(d.strongest.verdict.t_utc_ns / 1e9, UTC),
                picture=kept.relative_to(folder).as_posix() if kept else None,
                heat_map=map_path(kept).relative_to(folder).as_posix() if kept else None,
                proposal=None if perhaps is None else perhaps.kind or UNKNOWN, confidence=perhaps and perhaps.confidence,
            )
        )  # fmt: skip
    return rows


def _roll(
    name: str,
    cover: Cover | None,
    rows: list[DefectRow],
    rules: Rules | None,
    edges: tuple[float, float] | None,
    events: Iterable[SpanEvent],
    within: Sequence[Verdict],
) -> RollSheet:
    """Without rules it is not graded."""
    own = tuple(r for r in rows if r.roll_id == name)
    told = event_rows(events, within, cover.start_mm if cover else 0.0)
    if cover is None:
        return RollSheet(
            roll_id=name, start_mm=None, end_mm=None, edges_mm=edges, inspected_m=None, not_inspected_m=None,
            not_inspected=(), events=told, defects=own, grade=None,
        )  # fmt: skip
    measured = [r for r in own if r.at_m is not None and r.left_mm is not None and r.right_mm is not None]
    not_inspected, result = cover.coverage.not_inspected(), None
    if rules is not None and edges is not None and len(measured) == len(own):
        flaws = [flaw_of(r, cover.start_mm) for r in measured]
        unseen = [(from_mm, to_mm) for from_mm, to_mm, _ in not_inspected]
        result = grade(flaws, rules, cover.start_mm, cover.coverage.inspected_mm, unseen, edges)
    return RollSheet(
        roll_id=name, start_mm=cover.start_mm, end_mm=cover.end_mm, edges_mm=edges,
        inspected_m=cover.coverage.inspected_mm / 1000, not_inspected_m=cover.coverage.not_inspected_mm / 1000,
        not_inspected=tuple(
            Unseen(from_m=(a - cover.start_mm) / 1000, to_m=(b - cover.start_mm) / 1000, reason=reason)
            for a, b, reason in not_inspected
        ),
        events=told, defects=own, grade=result,
    )  # fmt: skip


def flaw_of(row: DefectRow, start_mm: float) -> Flaw:
    """A measured defect as grading sees it, of a roll that begins at `start_mm`."""
    start = (row.at_m or 0.0) * 1000 + start_mm
    return Flaw(
        row.number, start, start + (row.length_mm or 0.0), row.left_mm or 0.0, row.right_mm or 0.0,
        kind=row.kind,
        pardoned="" if row.disposition in (None, "defect") else row.disposition,
    )  # fmt: skip


def _widths(
    facts: dict[str, Any],
    styles: dict[str, str],
    shapes: dict[str, tuple[int, ...]],
    seen: Iterable[tuple[str, str, float, float]],
) -> Callable[[str], tuple[float, float] | None]:
    """The judged width of each roll, by its id: edges of cloth are the medians over its frames."""
    try:
        entries = (facts.get("config") or {}).get("cameras", [])
        known = CameraBase.model_fields.keys()
        cameras = [CameraBase.model_validate({key: e[key] for key in e.keys() & known}) for e in entries]
    except ValidationError:  # of an older or a foreign program
        return lambda roll_id: None
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for camera, roll_id, left_mm, right_mm in seen:
        found.setdefault(roll_id, {}).setdefault(camera, []).append((left_mm, right_mm))

    def width(roll_id: str) -> tuple[float, float] | None:
        model = (facts.get("styles") or {}).get(styles.get(roll_id), facts)
        of_model = ((model.get("model_info") or {}).get("score") or {}).get("inspect_x_px")
        middles = {c: np.median(edges, axis=0) for c, edges in found.get(roll_id, {}).items()}
        cloth = {c: (float(left), float(right)) for c, (left, right) in middles.items()}
        return judged_mm(cameras, of_model, shapes, cloth)

    return width


def _mm(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
