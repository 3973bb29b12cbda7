"""The files and folders that a line names: whether they are there, and whether the record can be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from glass_core.settings.values import Place, dotted
from pipeline.config.line import LineConfig
from pipeline.ledger.room import LEAST_BYTES
from pipeline.supervision.validation.finding import Finding

GB = 1_000_000_000
LOOKED_AT_ELSEWHERE = {"model", "flatfield", "scale", "alignment"}
"""Keys of models and cards; what a camera replays is seen when it is opened."""


def check_files(line: LineConfig) -> Iterator[Finding]:
    """Each path of the configuration that must be there when the line starts, then the place for the record."""
    for place, path in _paths(line, ()):
        if place[-1] in LOOKED_AT_ELSEWHERE or (place[0], place[-1]) in (("ledger", "path"), ("cameras", "path")):
            continue
        key = dotted(place)
        if not path.exists():
            yield Finding(about="files", status="error", text=f"nothing there, {key}: {path}, make it or name another")
        elif not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            yield Finding(
                about="files", status="error", text=f"not readable, {key}: {path}, give this user the right to read it"
            )
        else:
            yield Finding(about="files", status="ok", text=f"{path}, {key}")
    yield _record(line.ledger.path)


def _paths(value: object, place: Place) -> Iterator[tuple[Place, Path]]:
    if isinstance(value, Path):
        yield place, value
    elif isinstance(value, BaseModel):
        for key in type(value).model_fields:
            yield from _paths(getattr(value, key), (*place, key))
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _paths(part, (*place, key))
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from _paths(part, (*place, number))


def _record(ledger: Path) -> Finding:
    folder = ledger.absolute().parent
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        text = f"no record can be written in {there}, ledger.path: {ledger}, give this user the right or name another folder"
        return Finding(about="record", status="error", text=text)
    disk = os.statvfs(there)
    free = disk.f_bavail * disk.f_frsize
    if free < LEAST_BYTES:
        advice = f"make room: with less than {LEAST_BYTES / GB:g} GB the line is DEGRADED"
        text = f"{free / GB:.1f} GB free for the record, {folder}, {advice}"
        return Finding(about="record", status="warning", text=text)
    return Finding(about="record", status="ok", text=f"{ledger}, {free / GB:.0f} GB free")
