"""The rows of a run that are whole.

Every row stands in its columns and once more in its body. One whose two forms differ is damaged, and counts as lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from glass_core.errors import InputError
from pipeline.ledger.opening import KEEP, Connection
from pipeline.messages.line import Totals
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
VERDICT_FIELDS = frozenset(Verdict.model_fields)


def find_run(db: Connection, path: Path, run_id: str | None) -> str:
    """That run, or the last; InputError where there is none."""
    query = "SELECT run_id FROM run WHERE ?1 IS NULL OR run_id = ?1 ORDER BY rowid DESC LIMIT 1"
    found = db.execute(query, (run_id,)).fetchone()
    if found is None:
        raise InputError(f"ledger has no such run {run_id or ''}, {path}, give a ledger that a line has written")
    return known_as(path, found[0])


def known_as(path: Path, run_id: Any) -> str:
    """A run's name as a line gives it: a folder of pictures is called so. InputError for any other."""
    if not isinstance(run_id, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", run_id):
        raise damaged(path, "the name of a run")
    return run_id


def read_config(db: Connection, run_id: str) -> dict[str, Any]:
    """The configuration of a run; empty where none was written, or it is damaged."""
    (text,) = db.execute("SELECT value FROM run WHERE run_id = ? AND key = 'config'", (run_id,)).fetchone() or ("{}",)
    return read_object(text) or {}


def whole_bodies(db: Connection, run_id: str, table: str, where: str = "TRUE") -> Iterator[dict[str, Any]]:
    """The bodies of a run's rows that are whole, in the order of their numbers."""
    columns = TWICE[table]
    order = ", ".join(columns[: 1 if table == "totals" else 2])
    query = f"SELECT body, {', '.join(columns)} FROM {table} WHERE run_id = ? AND {where} ORDER BY {order}"
    for text, *values in db.execute(query, (run_id,)):
        body = read_object(text)
        if body is None or (table == "verdicts" and not body.keys() <= VERDICT_FIELDS):
            continue
        if [body.get(name) for name in columns] == values:
            yield body


def whole_totals(db: Connection, run_id: str) -> Iterator[Totals]:
    """The last totals of each generation of decision."""
    for body in whole_bodies(db, run_id, "totals"):
        try:
            totals = Totals.model_validate(body)
        except ValidationError:
            continue
        yield totals


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a text; null where there is none."""
    try:
        found = from_json(text)
    except (ValueError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def damaged(path: Path, what: str) -> InputError:
    """Part of the ledger cannot be read."""
    return InputError(f"ledger not readable ({what} is damaged), {path}, {KEEP}")
