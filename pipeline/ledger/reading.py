"""Reads a ledger again, also while a line writes it.

Every row stands in its columns and once more in its body. One whose two forms differ is damaged, and counts as lost.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.cloth.borders import Borders
from pipeline.ledger.lost import Missing, Spoken
from pipeline.ledger.opening import KEEP, Connection, opened
from pipeline.ledger.store import M, SpanRow
from pipeline.ledger.verdict_lines import Key, LinesSoFar
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.line import LineState, Totals
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict

TWICE = {
    "verdicts": ("generation", "number", "camera", "boot_id", "seq", "result", "reason", "start_mm", "end_mm", "roll_id"),
    "states": ("generation", "number", "state"),
    "rejects": ("generation", "number", "verdict", "camera"),
    "actions": ("generation", "number", "event"),
    "web": ("generation", "number"),
    "totals": ("generation",),
}
"""The columns of each table that stand in its bodies as well."""
NUMBERED = {
    "verdicts": ("verdicts", "TRUE"),
    "states": ("states", "TRUE"),
    "rejects": ("rejects", "TRUE"),
    "actions": ("actions", "TRUE"),
    "rolls": ("web", "kind = 'Roll'"),
    "events": ("web", "kind = 'SpanEvent'"),
}
"""What decision numbers from 0 in each of its generations, and where it is kept."""


def read_runs(path: Path) -> dict[str, dict[str, Any]]:
    """The facts of every run in the ledger, oldest first."""
    runs: dict[str, dict[str, Any]] = {}
    with opened(path) as db:
        for run_id, key, value in db.execute("SELECT run_id, key, value FROM run ORDER BY rowid"):
            try:
                runs.setdefault(run_id, {})[key] = json.loads(value)
            except ValueError:
                raise _damaged(path, f"{key} of run {run_id}") from None
    return runs


def read_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The verdicts of a run (default: the last) in the order in which they were given, each on the roll that it lies on."""
    return _placed(path, run_id, _read(path, run_id, "verdicts", Verdict))


def read_defect_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The DEFECT verdicts of a run (default: the last), in order, each on the roll that it lies on."""
    return _placed(path, run_id, (v for v in _read(path, run_id, "verdicts", Verdict, "result = 'DEFECT'") if not v.rescan))


def _placed(path: Path, run_id: str | None, verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    borders = read_borders(path, run_id)
    for verdict in verdicts:
        roll_id = borders.of(verdict.start_mm, verdict.end_mm, verdict.roll_id)
        yield verdict if roll_id == verdict.roll_id else verdict.model_copy(update={"roll_id": roll_id})


def read_spans(path: Path, run_id: str | None = None) -> Iterator[SpanRow]:
    """Camera, roll, from mm, to mm, result and reason of every verdict with a place, in order; fast on long runs.

    A frame across the border of two rolls gives a part to each; cloth seen again is left out. At the end comes the cloth of
    which the record has lost what was decided, as NOT_INSPECTED for RECORD_LOST.
    """
    borders, spoken = read_borders(path, run_id), Spoken()
    lost = (str(Result.NOT_INSPECTED), str(Reason.RECORD_LOST))
    lines = LinesSoFar.of(path.parent)
    with opened(path) as db:
        run = _run(db, path, run_id)
        first = last = None
        for body in _bodies(db, run, "verdicts"):
            last = body["generation"], body["number"]
            first = first or last
            span = body["camera"], body["start_mm"], body["end_mm"], body["roll_id"]
            if None in span or body.get("rescan"):
                continue
            spoken.add(*span)
            for part in borders.parts(*span[1:]):
                yield span[0], *part, body["result"], body["reason"]
        begins, ends = _bounds(db, run, first, last, lines.after(run, last))
        for camera, roll_id, start_mm, end_mm in spoken.holes(begins, ends):
            for part in borders.parts(start_mm, end_mm, roll_id):
                yield camera, *part, *lost


def read_missing(path: Path, run_id: str | None = None) -> Missing:
    """The records that a run (default: the last) should hold and does not, by the numbers and totals that it does hold."""
    lines = LinesSoFar.of(path.parent)
    held, reach, last = Counter[tuple[str, int]](), dict[tuple[str, int], int](), None

    def reaches(kind: str, generation: int, count: int) -> None:
        reach[kind, generation] = max(reach.get((kind, generation), 0), count)

    with opened(path) as db:
        run = _run(db, path, run_id)
        for kind, (table, where) in NUMBERED.items():
            for body in _bodies(db, run, table, where):
                held[kind, body["generation"]] += 1
                reaches(kind, body["generation"], body["number"] + 1)
                if kind == "verdicts":
                    last = body["generation"], body["number"]
                elif body.get("verdict") is not None:
                    reaches("verdicts", body["generation"], body["verdict"] + 1)
        for totals in _totals(db, run):
            reaches("verdicts", totals.generation, totals.verdicts)
            reaches("rejects", totals.generation, totals.rejects)
    in_lines = lines.after(run, last)
    for line in in_lines:
        reaches("verdicts", line["generation"], line["number"] + 1)
    records = Counter(dict.fromkeys(NUMBERED, 0))
    for (kind, generation), count in reach.items():
        records[kind] += count - held[kind, generation]
    generations = {generation for _, generation in reach}
    records["generations"] = max(generations, default=-1) + 1 - len(generations)
    return Missing(records={kind: n for kind, n in records.items() if n}, in_verdicts_jsonl=len(in_lines))


def read_cloth_edges(path: Path, run_id: str | None = None) -> Iterator[tuple[str, str, float, float]]:
    """Camera, roll and the cloth's two edges in mm of every judged frame that shows them, of a run (default: the last)."""
    borders = read_borders(path, run_id)
    with opened(path) as db:
        for v in _bodies(db, _run(db, path, run_id), "verdicts", "result != 'NOT_INSPECTED'"):
            if v.get("cloth_x_mm") is not None and not v.get("rescan"):
                yield v["camera"], borders.of(v["start_mm"], v["end_mm"], v["roll_id"]), *v["cloth_x_mm"]


def read_states(path: Path, run_id: str | None = None) -> Iterator[LineState]:
    """The line states of a run (default: the last), in order."""
    return _read(path, run_id, "states", LineState)


def read_rejects(path: Path, run_id: str | None = None) -> Iterator[Reject]:
    """The reject signals of a run (default: the last), in order."""
    return _read(path, run_id, "rejects", Reject)


def read_actions(path: Path, run_id: str | None = None) -> Iterator[Action]:
    """What the action table asked for in a run (default: the last), in order."""
    return _read(path, run_id, "actions", Action)


def read_rolls(path: Path, run_id: str | None = None) -> Iterator[Roll]:
    """Where the rolls of a run (default: the last) begin and end, in order."""
    return _read(path, run_id, "web", Roll, "kind = 'Roll'")


def read_borders(path: Path, run_id: str | None = None) -> Borders:
    """Which roll of a run (default: the last) a place is on."""
    return Borders(read_rolls(path, run_id))


def read_events(path: Path, run_id: str | None = None) -> Iterator[SpanEvent]:
    """The seams, leads, stop marks and wrinkles of a run (default: the last), in order."""
    return _read(path, run_id, "web", SpanEvent, "kind = 'SpanEvent'")


def read_alignments(path: Path, run_id: str | None = None) -> Iterator[Alignment]:
    """How neighbouring cameras were found to be aligned in a run (default: the last), in order."""
    return _read(path, run_id, "web", Alignment, "kind = 'Alignment'")


def read_totals(path: Path, run_id: str | None = None) -> Iterator[Totals]:
    """The last totals of each generation of decision in a run (default: the last)."""
    return _read(path, run_id, "totals", Totals)


def read_cameras(path: Path, run_id: str | None = None) -> dict[str, tuple[int, int]]:
    """Each camera of a run (default: the last) that has verdicts: its frames, and how many have a known place."""
    frames, placed = Counter[str](), Counter[str]()
    with opened(path) as db:
        for v in _bodies(db, _run(db, path, run_id), "verdicts"):
            frames[v["camera"]] += v["seq"] is not None
            placed[v["camera"]] += v["seq"] is not None and v["start_mm"] is not None
    return {camera: (frames[camera], placed[camera]) for camera in sorted(frames)}


def read_frame_shapes(path: Path, run_id: str | None = None) -> dict[str, tuple[int, ...]]:
    """The shape of each camera's pictures in a run (default: the last), of one that was scored."""
    with opened(path) as db:
        bodies = _bodies(db, _run(db, path, run_id), "verdicts", "score IS NOT NULL GROUP BY camera")
        return {v["camera"]: tuple(v["frame_shape"]) for v in bodies if v.get("frame_shape")}


def read_camera_facts(path: Path, run_id: str | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """What each camera of a run (default: the last) was and how it was set, by its name and the boot_id of its verdicts."""
    query = "SELECT camera, boot_id, facts FROM camera_facts WHERE run_id = ? ORDER BY rowid"
    with opened(path) as db:
        rows = db.execute(query, (_run(db, path, run_id),))
        found = {(camera, boot_id): _object(facts) for camera, boot_id, facts in rows}
        return {key: facts for key, facts in found.items() if facts is not None}


def _read(path: Path, run_id: str | None, table: str, kind: type[M], where: str = "TRUE") -> Iterator[M]:
    with opened(path) as db:
        for body in _bodies(db, _run(db, path, run_id), table, where):
            try:
                yield kind.model_validate(body)
            except ValidationError:
                of = " ".join(f"{name} {body[name]}" for name in TWICE[table][:2])
                raise _damaged(path, f"{kind.__name__} {of}") from None


def _bodies(db: Connection, run_id: str, table: str, where: str = "TRUE") -> Iterator[dict[str, Any]]:
    """The bodies of a run's rows that are whole, in the order of their numbers."""
    columns = TWICE[table]
    order = ", ".join(columns[: 1 if table == "totals" else 2])
    query = f"SELECT body, {', '.join(columns)} FROM {table} WHERE run_id = ? AND {where} ORDER BY {order}"
    for text, *values in db.execute(query, (run_id,)):
        body = _object(text)
        if body is None or (table == "verdicts" and not body.keys() <= Verdict.model_fields.keys()):
            continue
        if all(body.get(name) == value for name, value in zip(columns, values, strict=True)):
            yield body


def _totals(db: Connection, run_id: str) -> Iterator[Totals]:
    for body in _bodies(db, run_id, "totals"):
        try:
            totals = Totals.model_validate(body)
        except ValidationError:
            continue
        yield totals


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _bounds(
    db: Connection, run_id: str, first: Key | None, last: Key | None, beyond: list[dict[str, Any]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Where each camera's cloth begins and ends in mm, where the first or the last verdicts are lost; empty where none are.

    A line counts its cloth from 0. The last totals say how many verdicts there were, and how far the cloth had come.
    `beyond`: lines of verdicts.jsonl that follow the last verdict.
    """
    (config,) = db.execute("SELECT value FROM run WHERE run_id = ? AND key = 'config'", (run_id,)).fetchone() or ("{}",)
    looks_at = {c["name"]: c.get("y_offset_mm", 0.0) for c in (_object(config) or {}).get("cameras", [])}
    ends: dict[str, float] = {}
    for totals in _totals(db, run_id):
        lost = totals.verdicts > 0 and (last is None or (totals.generation, totals.verdicts - 1) > last)
        if lost and totals.position_mm is not None:
            ends = {name: totals.position_mm + mm for name, mm in looks_at.items()}
    for line in beyond:
        if (end_mm := line.get("end_mm")) is not None:
            camera = str(line.get("camera"))
            ends[camera] = max(ends.get(camera, end_mm), end_mm)
    return {} if first == (0, 0) else looks_at, ends


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"ledger not readable ({what} is damaged), {path}, {KEEP}")


def _run(db: Connection, path: Path, run_id: str | None) -> str:
    query = "SELECT run_id FROM run WHERE ?1 IS NULL OR run_id = ?1 ORDER BY rowid DESC LIMIT 1"
    found = db.execute(query, (run_id,)).fetchone()
    if found is None:
        raise InputError(f"ledger has no such run {run_id or ''}, {path}, give a ledger that a line has written")
    return str(found[0])
