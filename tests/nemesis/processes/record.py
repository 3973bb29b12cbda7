"""What is left of a run, for the checker: what was heard, what lies on disk, and what was done to whom. Plain values alone."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.nemesis.processes.ear import Said

Key = tuple[str, int, int]
"""Run, generation and number of a verdict."""


@dataclass(frozen=True)
class Deed:
    """An act as it was done, in ns of the monotonic clock."""

    kind: str
    target: str
    began_ns: int
    ended_ns: int


@dataclass(frozen=True)
class Footprint:
    """A process's use of the machine at one time."""

    t_ns: int
    name: str
    pid: int
    rss_mb: float
    handles: int


@dataclass
class Record:
    """All of one run."""

    seed: int
    facts: Said
    """Of the line: its cameras, its cloth, its budget and its model."""
    heard: list[tuple[int, Said]] = field(default_factory=list)
    gate: list[tuple[int, bool]] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    pids: list[tuple[int, str, int]] = field(default_factory=list)
    """When a process was first seen under a name, or with 0 no more."""
    exits: list[tuple[int, int]] = field(default_factory=list)
    """When a supervisor ended by itself, and how."""
    glimpses: dict[Key, int] = field(default_factory=dict)
    """When the ledger was first seen to have it."""
    footprints: list[Footprint] = field(default_factory=list)
    runs: list[tuple[str, int]] = field(default_factory=list)
    """Each run in the ledger and when it began."""
    ends: dict[str, str | None] = field(default_factory=dict)
    """When each run ended in order; null: it was cut off, for all that the ledger says."""
    rows: list[tuple[str, Said]] = field(default_factory=list)
    totals: list[tuple[str, Said]] = field(default_factory=list)
    lines: list[Said] = field(default_factory=list)
    _seen: int = 0
    left: list[str] = field(default_factory=list)
    """What was there after the line had ended, and should not have been."""
    stopped_s: float = 0.0
    """From the request to the end."""

    def read(self, ledger: Path) -> None:
        """The ledger and verdicts.jsonl."""
        ago_ns = time.time_ns() - time.monotonic_ns()
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
            first_word = "SELECT run_id, min(body ->> '$.t_mono_ns') FROM states GROUP BY run_id"
            spoke_ns = dict(db.execute(first_word))  # a line whose disk is full speaks before its record begins
            for run, key, value in db.execute("SELECT run_id, key, value FROM run"):
                if key == "started":
                    began = datetime.fromisoformat(json.loads(value)).timestamp()
                    began_ns = int(began * 1e9) - ago_ns
                    self.runs.append((run, min(began_ns, spoke_ns.get(run, began_ns))))
                elif key == "ended":
                    self.ends[run] = json.loads(value)
            self.rows = [(r, json.loads(b)) for r, b in db.execute("SELECT run_id, body FROM verdicts ORDER BY rowid")]
            self.totals = [(r, json.loads(b)) for r, b in db.execute("SELECT run_id, body FROM totals")]
        self.runs.sort(key=lambda run: run[1])
        text = ledger.with_name("verdicts.jsonl").read_text(encoding="utf-8")
        for line in text.splitlines():
            with suppress(ValueError):  # one that a kill cut off
                self.lines.append(json.loads(line))

    def glimpse(self, ledger: Path) -> None:
        """See which verdicts the ledger has now."""
        now_ns = time.monotonic_ns()
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=0.1)) as db:
            new = db.execute("SELECT rowid, run_id, generation, number FROM verdicts WHERE rowid > ?", (self._seen,))
            for self._seen, *key in new:
                self.glimpses.setdefault((key[0], key[1], key[2]), now_ns)

    def said(self, kind: str) -> list[tuple[int, Any]]:
        """What was heard of that kind."""
        return [(t_ns, m) for t_ns, m in self.heard if m["t"] == kind]

    def run_at(self, t_ns: int) -> str:
        """The run that was written then."""
        return next((run for run, began_ns in reversed(self.runs) if began_ns <= t_ns), self.runs[0][0] if self.runs else "")

    def verdicts(self) -> dict[Key, Said]:
        """All that were published or recorded: what only a decision held that died may be on no record."""
        told = {(self.run_at(v["t_mono_ns"]), v["generation"], v["number"]): v for _, v in self.said("Verdict")}
        return told | {(run, v["generation"], v["number"]): v for run, v in self.rows}
