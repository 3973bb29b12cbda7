"""From the ledgers of a mill to rows: one for each roll, each defect, and each stretch that nobody saw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from pipeline.ledger.dispositions import FALSE_ALARMS
from pipeline.ledger.reading import read_borders, read_rolls, read_runs
from pipeline.report.roll import read_covered
from pipeline.report.sheet import DefectRow, RollSheet, read_sheet

BIN_MM = 100
"""Places across the cloth are told in steps of this."""
STREAK = 3.0
"""A defect so many times as long as wide, or as wide as long, has a direction."""
UNKNOWN = "not known"
FALSE_ALARM, NO_WORD = "false alarm", "no word yet"


@dataclass(frozen=True)
class Terms:
    """How a mill tells its looms, shifts and days."""

    loom: re.Pattern[str] | None = None
    """Finds the loom in a roll's name: its first group, or all that it finds. Null: a line has one loom, of its name."""
    shifts: tuple[int, ...] = (6, 14, 22)
    """The hours at which a shift begins."""
    zone: tzinfo | None = None
    """Of shifts and weeks; null: this machine's own."""

    def shift(self, at: datetime) -> str:
        """The shift of a time, by its hours; the last one goes on past midnight."""
        begins = sorted(self.shifts)
        n = sum(at.hour >= hour for hour in begins) - 1
        return f"{begins[n]:02d}-{begins[(n + 1) % len(begins)]:02d} h"

    def week(self, at: datetime) -> str:
        """The ISO week of a time."""
        year, week, _ = at.isocalendar()
        return f"{year}-W{week:02d}"


@dataclass
class Rows:
    """Three tables, each a list of dicts of the same keys; `roll` numbers the rolls."""

    rolls: list[dict[str, Any]] = field(default_factory=list)
    defects: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    """Runs whose record is not whole."""


def read_rows(ledgers: Iterable[Path], terms: Terms) -> Rows:
    """Every roll of every run of the ledgers; a run that is in several of them counts once. InputError names one that is bad.

    Cloth outside any roll is left out, and so are runs without a frame.
    """
    rows, seen = Rows(), set[tuple[str, str]]()
    for ledger in ledgers:
        for run_id, facts in read_runs(ledger).items():
            if (run := (str(facts.get("line", "")), run_id)) not in seen:
                seen.add(run)
                _add_run(rows, ledger, run_id, facts, terms)
    return rows


def _add_run(rows: Rows, ledger: Path, run_id: str, facts: dict[str, Any], terms: Terms) -> None:
    covered = read_covered(ledger, run_id)
    if not covered.cameras:
        return
    sheet, _ = read_sheet(ledger, run_id, covered)
    borders, first_ns = read_borders(ledger, run_id), dict[tuple[str, float | None], int]()
    for word in read_rolls(ledger, run_id):  # after a restart a roll is told again
        place = word.roll_id, word.start_mm
        first_ns[place] = min(word.t_utc_ns, first_ns.get(place, word.t_utc_ns))
    if str(sheet.missing):
        rows.torn.append(run_id)
    config = (facts.get("config") or {}).get("line") or {}
    for roll in sheet.rolls:
        told = borders.rolls.get(roll.roll_id)
        began = (
            _time(sheet.started) if told is None else datetime.fromtimestamp(first_ns[told.roll_id, told.start_mm] / 1e9, UTC)
        )
        at = began.astimezone(terms.zone) if began else None
        number, grade = len(rows.rolls), roll.grade
        rows.rolls.append({
            "roll": number, "loom": _loom(sheet.line, told.roll_id if told else roll.roll_id, terms),
            "style": (told.style if told else config.get("style")) or "none", "shift": terms.shift(at) if at else UNKNOWN,
            "week": terms.week(at) if at else UNKNOWN, "quality": grade.quality if grade else "not graded",
            "rules": grade.rules.rules if grade else "not graded", "points": grade.points if grade else None,
            "inspected_m": roll.inspected_m, "not_inspected_m": roll.not_inspected_m,
            "graded_m2": grade.inspected_m * grade.width_mm / 1000 if grade else None,
        })  # fmt: skip
        rows.defects += _defects(roll, number)
        rows.gaps += [{"roll": number, "reason": gap.reason, "metres": gap.to_m - gap.from_m} for gap in roll.not_inspected]


def _defects(roll: RollSheet, number: int) -> Iterator[dict[str, Any]]:
    points = {line.number: line.points for line in roll.grade.lines} if roll.grade else {}
    for row in roll.defects:
        false = row.disposition in FALSE_ALARMS
        yield {
            "roll": number, "kind": _kind(row), "place": _place(row), "camera": "+".join(row.cameras),
            "word": NO_WORD if row.disposition is None else FALSE_ALARM if false else row.disposition.replace("_", " "),
            "points": points.get(row.number),
        }  # fmt: skip


def _kind(row: DefectRow) -> str:
    """What a person called it, else its shape: no model tells kinds apart."""
    if row.kind:
        return row.kind
    if row.length_mm is None or row.width_mm is None:
        return UNKNOWN
    if row.length_mm >= STREAK * row.width_mm:
        return "along the warp"
    return "across the cloth" if row.width_mm >= STREAK * row.length_mm else "spot"


def _place(row: DefectRow) -> str:
    if row.left_mm is None or row.right_mm is None:
        return UNKNOWN
    step = int((row.left_mm + row.right_mm) / 2 // BIN_MM)
    return f"{step * BIN_MM} to {(step + 1) * BIN_MM} mm"


def _loom(line: str, roll_id: str, terms: Terms) -> str:
    if terms.loom is None:
        return line
    found = terms.loom.search(roll_id)
    return (found[1 if terms.loom.groups else 0] if found else None) or UNKNOWN


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
