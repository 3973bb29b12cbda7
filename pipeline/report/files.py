"""Writes the report's files, each beside its place and then renamed: report.html, report.json, defects.csv."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file
from pipeline.report.sheet import DefectRow, RunSheet

PAGE = "report.html"
COLUMNS = [name for name in DefectRow.model_fields if name != "key"]


def write(out: Path, page: str, sheet: RunSheet) -> Path:
    """All three; the page's path. InputError where they cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("report.json", sheet.model_dump_json(by_alias=True, indent=1) + "\n"),
            ("defects.csv", _csv(sheet)),
            (PAGE, page),
        ):
            with whole_file(out / name) as part:
                part.write_text(text, encoding="utf-8")
    except OSError as e:
        raise InputError(f"page not writable ({e.strerror}), {out}, choose another folder or make room") from None
    return out / PAGE


def _csv(sheet: RunSheet) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for defect in sheet.rows.values():
        body = defect.model_dump(mode="json")
        rows.writerow([cell(body[name]) for name in COLUMNS])
    return text.getvalue()


def cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula is set in quotes."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
