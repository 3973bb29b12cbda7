"""The files and folders that a line names: whether they are there, and whether the record can be written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from glass_core.errors import InputError
from glass_core.files.whole_file import nearest_folder
from glass_core.settings.values import Place, dotted
from pipeline.config.line import LineConfig
from pipeline.config.outputs import MqttConfig, WebhookConfig
from pipeline.ledger.room import LEAST_BYTES
from pipeline.ledger.store import check_usable
from pipeline.link.keys import read_keys
from pipeline.outputs.secrets import read_secret, secret_of
from pipeline.supervision.validation.finding import Finding, answered

GB = 1_000_000_000
LOOKED_AT_ELSEWHERE = {"model", "flatfield", "scale", "alignment"}
"""Keys of models and cards; what a camera replays is seen when it is opened."""


@dataclass(frozen=True)
class Written:
    """A folder that a line writes into, and goes on without."""

    made: bool
    """By the line."""
    advice: str
    until_then: str


WRITTEN: dict[Place, Written] = {
    ("outputs", "path"): Written(False, "mount it or make it", "rolls' documents wait"),
    ("recording", "folder"): Written(True, "give this user the right or name another", "nothing is recorded"),
}
"""By section and key."""


def check_files(line: LineConfig, running: bool) -> Iterator[Finding]:
    """Each path of the configuration, what is read from keys and secrets, then the place for the record.

    A line that runs writes its record: nobody else may, and whether somebody does is not asked.
    """
    for place, path in _paths(line, ()):
        if place[-1] in LOOKED_AT_ELSEWHERE or (place[0], place[-1]) in (("ledger", "path"), ("cameras", "path")):
            continue
        key = dotted(place)
        if (written := WRITTEN.get((place[0], place[-1]))) is not None:
            folder = nearest_folder(path) if written.made else path
            good = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
            why = f"not to be written, {key}: {path}, {written.advice}: until then {written.until_then}"
            yield Finding(about="files", status="ok" if good else "warning", text=f"{path}, {key}" if good else why)
        elif not path.exists():
            yield Finding(about="files", status="error", text=f"nothing there, {key}: {path}, make it or name another")
        elif not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            yield Finding(
                about="files", status="error", text=f"not readable, {key}: {path}, give this user the right to read it"
            )
        else:
            yield Finding(about="files", status="ok", text=f"{path}, {key}")
    for read in _secrets(line):
        try:
            read()
        except InputError as refused:
            yield Finding(about="files", status="error", text=str(refused))
    yield from answered("record", lambda: _record(line.ledger.path, running))


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


def _secrets(line: LineConfig) -> Iterator[Callable[[], object]]:
    """Each reads what is there as the line will; what is not there has been told."""
    if (keys := line.publisher.keys) is not None and keys.exists():
        yield partial(read_keys, keys)
    for output in line.wired:
        if isinstance(output, WebhookConfig) and output.key_file.exists():
            yield partial(read_secret, output.key_file, "key of the webhook")
        if isinstance(output, MqttConfig) and (output.password_file is None or output.password_file.exists()):
            yield partial(secret_of, output.password_file, output.password_env, "password of MQTT")


def _record(ledger: Path, running: bool) -> Iterator[Finding]:
    folder = ledger.absolute().parent
    there = nearest_folder(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        text = f"no record can be written in {there}, ledger.path: {ledger}, give this user the right or name another folder"
        yield Finding(about="record", status="error", text=text)
        return
    if not running:
        check_usable(ledger)
    free = shutil.disk_usage(there).free
    if free < LEAST_BYTES:
        advice = f"make room: with less than {LEAST_BYTES / GB:g} GB the line is DEGRADED"
        text = f"{free / GB:.1f} GB free for the record, {folder}, {advice}"
        yield Finding(about="record", status="warning", text=text)
    else:
        yield Finding(about="record", status="ok", text=f"{ledger}, {free / GB:.0f} GB free")
