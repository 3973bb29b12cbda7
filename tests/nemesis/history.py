"""What is left of a run, for the checker: the record as it lies on disk, what was published, exposed and announced."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Said = dict[str, Any]


@dataclass
class History:
    """Plain values alone; messages as their header's map, times in ns of the monotonic clock."""

    seed: int
    facts: Said
    """Of the line: cameras, motion, budget, model, and when it began, was left in peace, and ended."""
    exposures: list[Said]
    announced: list[Said]
    motions: list[Said]
    published: list[tuple[int, Said]]
    gate: list[tuple[int, bool]]
    """The reference consumer's output, whenever it was asked."""
    heard: list[tuple[int, Said]]
    """What that consumer heard."""
    rows: list[Said] = field(default_factory=list)
    totals: dict[int, Said] = field(default_factory=dict)
    lines: list[Said] = field(default_factory=list)
    handles: tuple[int, int] = (0, 0)
    """Of this process before and after."""

    def read(self, folder: Path) -> None:
        """The record."""
        with sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?mode=ro", uri=True) as db:
            self.rows = [json.loads(body) for (body,) in db.execute("SELECT body FROM verdicts ORDER BY generation, number")]
            self.totals = {g: json.loads(body) for g, body in db.execute("SELECT generation, body FROM totals")}
        db.close()
        text = (folder / "verdicts.jsonl").read_text(encoding="utf-8")
        self.lines = [json.loads(line) for line in text.splitlines()]

    def said(self, kind: str) -> list[tuple[int, Said]]:
        """What was published of that kind."""
        return [(t_ns, m) for t_ns, m in self.published if m["t"] == kind]
