"""Reads a ledger again, also while a line writes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glass_core.errors import InputError
from pipeline.cloth.borders import Borders
from pipeline.ledger.store import NEW_CLOTH, SCHEMA, M, SpanRow
from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.line import LineState, Totals
from pipeline.messages.verdicts import Verdict


def read_runs(path: Path) -> dict[str, dict[str, Any]]:
    """The facts of every run in the ledger, oldest first."""
    runs: dict[str, dict[str, Any]] = {}
    with _reading(path) as db:
        for run_id, key, value in db.execute("SELECT run_id, key, value FROM run ORDER BY rowid"):
            runs.setdefault(run_id, {})[key] = json.loads(value)
    return runs


def read_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The verdicts of a run (default: the last) in the order in which they were given, each on the roll that it lies on."""
    return _placed(path, run_id, _read(path, run_id, "verdicts", Verdict))


def read_defect_verdicts(path: Path, run_id: str | None = None) -> Iterator[Verdict]:
    """The DEFECT verdicts of a run (default: the last), in order, each on the roll that it lies on."""
    return _placed(path, run_id, _read(path, run_id, "verdicts", Verdict, f"result = 'DEFECT' AND {NEW_CLOTH}"))


def _placed(path: Path, run_id: str | None, verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    borders = read_borders(path, run_id)
    for verdict in verdicts:
        roll_id = borders.of(verdict.start_mm, verdict.end_mm, verdict.roll_id)
        yield verdict if roll_id == verdict.roll_id else verdict.model_copy(update={"roll_id": roll_id})


def read_spans(path: Path, run_id: str | None = None) -> Iterator[SpanRow]:
    """Camera, roll, from mm, to mm, result and reason of every verdict with a place, in order; fast on long runs.

    A frame across the border of two rolls gives a part to each; cloth seen again is left out.
    """
    borders = read_borders(path, run_id)
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, roll_id, start_mm, end_mm, result, reason FROM verdicts WHERE run_id = ? "
            f"AND start_mm IS NOT NULL AND end_mm IS NOT NULL AND {NEW_CLOTH} ORDER BY generation, number",
            (_run(db, path, run_id),),
        )
        for camera, roll_id, start_mm, end_mm, result, reason in rows:
            for part in borders.parts(start_mm, end_mm, roll_id):
                yield camera, *part, result, reason


def read_cloth_edges(path: Path, run_id: str | None = None) -> Iterator[tuple[str, str, float, float]]:
    """Camera, roll and the cloth's two edges in mm of every judged frame that shows them, of a run (default: the last)."""
    borders = read_borders(path, run_id)
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, roll_id, start_mm, end_mm, json_extract(body, '$.cloth_x_mm') AS cloth FROM verdicts "
            f"WHERE run_id = ? AND result != 'NOT_INSPECTED' AND cloth IS NOT NULL AND {NEW_CLOTH}",
            (_run(db, path, run_id),),
        )
        for camera, roll_id, start_mm, end_mm, cloth in rows:
            yield camera, borders.of(start_mm, end_mm, roll_id), *json.loads(cloth)


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
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, COUNT(seq), COUNT(CASE WHEN seq IS NOT NULL THEN start_mm END) "
            "FROM verdicts WHERE run_id = ? GROUP BY camera ORDER BY camera",
            (_run(db, path, run_id),),
        )
        return {camera: (frames, placed) for camera, frames, placed in rows}


def read_frame_shapes(path: Path, run_id: str | None = None) -> dict[str, tuple[int, ...]]:
    """The shape of each camera's pictures in a run (default: the last), of one that was scored."""
    with _reading(path) as db:
        rows = db.execute(
            "SELECT camera, body FROM verdicts WHERE run_id = ? AND score IS NOT NULL GROUP BY camera",
            (_run(db, path, run_id),),
        )
        shapes = {camera: json.loads(body).get("frame_shape") for camera, body in rows}
        return {camera: tuple(shape) for camera, shape in shapes.items() if shape}


def read_camera_facts(path: Path, run_id: str | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """What each camera of a run (default: the last) was and how it was set, by its name and the boot_id of its verdicts."""
    query = "SELECT camera, boot_id, facts FROM camera_facts WHERE run_id = ? ORDER BY rowid"
    with _reading(path) as db:
        rows = db.execute(query, (_run(db, path, run_id),))
        return {(camera, boot_id): json.loads(facts) for camera, boot_id, facts in rows}


def _read(path: Path, run_id: str | None, table: str, kind: type[M], where: str = "TRUE") -> Iterator[M]:
    order = "generation" if table == "totals" else "generation, number"
    query = f"SELECT body FROM {table} WHERE run_id = ? AND {where} ORDER BY {order}"
    with _reading(path) as db:
        for (body,) in db.execute(query, (_run(db, path, run_id),)):
            yield kind.model_validate(json.loads(body))


def _run(db: sqlite3.Connection, path: Path, run_id: str | None) -> str:
    query = "SELECT run_id FROM run WHERE ?1 IS NULL OR run_id = ?1 ORDER BY rowid DESC LIMIT 1"
    found = db.execute(query, (run_id,)).fetchone()
    if found is None:
        raise InputError(f"ledger has no such run {run_id or ''}, {path}, give a ledger that a line has written")
    return str(found[0])


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection, also beside a writer."""
    if not path.is_file():
        raise InputError(f"ledger not found, {path}, give the folder that a run or replay wrote")
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA:
            raise InputError(f"ledger has schema {version}, {path}, this version reads schema {SCHEMA}")
        yield db
    except (sqlite3.Error, json.JSONDecodeError) as e:
        raise InputError(f"ledger not readable ({e}), {path}, restore it from a copy") from None
    except ValidationError as e:
        raise InputError(f"ledger has a {e.title} that no line writes, {path}, restore it from a copy") from None
    finally:
        db.close()
