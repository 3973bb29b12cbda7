"""What people say of the defects of a run goes on file, and the report is issued again."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from glass_core.errors import InputError
from pipeline.ledger.dispositions import Kind, Word, dispose
from pipeline.report.page import issue_report
from pipeline.report.sheet import RunSheet, read_roll


def review(
    folder: Path,
    defects: Collection[int],
    word: Word,
    *,
    kind: Kind | None = None,
    by: str = "",
    note: str = "",
) -> RunSheet:
    """Say what defects of a folder's last run are, by their numbers in the report, and issue the report again.

    The sheet that is returned is the new one; its `revision` counts the words. Raises InputError where there is no such
    ledger or defect; then nothing is written.

    >>> sheet = review(folder / "found", [1], "acceptable", by="Ada")
    >>> sheet.revision, len(sheet.waiting)
    (1, 0)
    """
    ledger = folder / "ledger.sqlite"
    sheet = read_roll(ledger)
    rows = {row.number: row for row in sheet.rows.values()}
    for number in defects:
        if number not in rows:
            raise InputError(
                f"no defect {number}, {folder}, choose one of 1 to {len(rows)}" if rows else f"no defects, {ledger}, -"
            )
    for number in defects:
        dispose(folder, sheet.run_id, rows[number].key, word, kind, by, note)
    return issue_report(ledger, folder)[1]
