"""The tables of a ledger, and the row that each kind of record becomes."""

from __future__ import annotations

import json
from typing import Any

from pipeline.messages.actions import Action, Reject
from pipeline.messages.cloth import Alignment, Roll, SpanEvent
from pipeline.messages.frames import CameraFacts
from pipeline.messages.line import LineState, Totals
from pipeline.messages.message import Message, Payload
from pipeline.messages.verdicts import Verdict

SCHEMA = 2
BEFORE = 1
"""The schema before, which is read and never written."""
TABLES = """
CREATE TABLE run (run_id TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (run_id, key));
CREATE TABLE verdicts (run_id TEXT, generation INTEGER, number INTEGER, camera TEXT NOT NULL, boot_id TEXT NOT NULL,
    seq INTEGER, result TEXT NOT NULL, reason TEXT, score REAL, start_mm REAL, end_mm REAL, roll_id TEXT NOT NULL,
    origin TEXT NOT NULL, latency_ms REAL, t_utc_ns INTEGER NOT NULL, tiles INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
CREATE TABLE states (run_id TEXT, generation INTEGER, number INTEGER, state TEXT NOT NULL,
    inspection_ok INTEGER NOT NULL, t_utc_ns INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
CREATE TABLE rejects (run_id TEXT, generation INTEGER, number INTEGER, verdict INTEGER NOT NULL, camera TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run_id, generation, number));
CREATE TABLE actions (run_id TEXT, generation INTEGER, number INTEGER, event INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, number));
CREATE TABLE camera_facts (run_id TEXT, camera TEXT, boot_id TEXT, t_utc_ns INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (run_id, camera, boot_id));
CREATE TABLE web (run_id TEXT, generation INTEGER, kind TEXT, number INTEGER, body TEXT NOT NULL,
    PRIMARY KEY (run_id, generation, kind, number));
CREATE TABLE totals (run_id TEXT, generation INTEGER, body TEXT NOT NULL, PRIMARY KEY (run_id, generation));
"""
ENDED = "ended"
"""The key of the one fact of a run that changes: null, and in the end when it ended in order."""
FACT = f"INSERT INTO run VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value WHERE key = '{ENDED}'"
"""Any other fact stays as it was."""
NAMES = frozenset({"run", "verdicts", "states", "rejects", "actions", "camera_facts", "web", "totals"})
BEFORE_LACKS = {
    "actions": "SELECT '' AS run_id, 0 AS generation, 0 AS number, 0 AS event, '' AS body WHERE FALSE",
    "web": "SELECT '' AS run_id, 0 AS generation, '' AS kind, 0 AS number, '' AS body WHERE FALSE",
}
"""All that the schema before differs in: tables that it has not, each as the empty view in which a reader sees it."""

Row = tuple[str, tuple[Any, ...]]
SpanRow = tuple[str, str, float, float, str, str | None]


def row(run_id: str, message: Message, payloads: tuple[Payload, ...]) -> Row:
    """A statement and its values; ValueError for a kind of message that has no table.

    A row that is there already stays, but for totals: the later ones replace them.
    """
    # json.dumps keeps NaN and infinity, which pydantic's own JSON would turn into null.
    body = json.dumps(message.model_dump(mode="json"))
    values: tuple[Any, ...]
    match message:
        case Verdict() as v:
            table = "verdicts"
            values = (
                v.generation,
                v.number,
                v.camera,
                v.boot_id,
                v.seq,
                v.result,
                v.reason,
                v.score,
                v.start_mm,
                v.end_mm,
                v.roll_id,
                v.origin,
                v.latency_ms,
                v.t_utc_ns,
                v.tiles,
                body,
            )
        case LineState() as s:
            table, values = "states", (s.generation, s.number, s.state, s.inspection_ok, s.t_utc_ns, body)
        case Reject() as r:
            table, values = "rejects", (r.generation, r.number, r.verdict, r.camera, body)
        case Action() as a:
            table, values = "actions", (a.generation, a.number, a.event, body)
        case Roll() | SpanEvent() | Alignment():
            table, values = "web", (message.generation, type(message).__name__, message.number, body)
        case CameraFacts() as f:
            table = "camera_facts"
            values = (f.camera, f.boot_id, f.t_utc_ns, bytes(payloads[0]).decode(errors="replace"))
        case Totals() as t:
            table, values = "totals", (t.generation, body)
        case _:
            raise ValueError(f"the ledger has no table for {type(message).__name__}")
    marks = ", ".join("?" * (1 + len(values)))
    again = "DO UPDATE SET body = excluded.body WHERE told_later(excluded.body, body)" if table == "totals" else "DO NOTHING"
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT {again}", (run_id, *values)


def told_later(new: str, old: str) -> bool:
    """Whether totals replace others: what a later decision tells again may be older. Damaged ones are always replaced."""
    try:
        return bool(json.loads(new)["t_mono_ns"] >= json.loads(old)["t_mono_ns"])
    except (ValueError, TypeError, KeyError):
        return True
