"""What a file or folder is: of which kind and schema, what it holds, and whether this program reads it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from calibration.alignment import AlignmentCard
from calibration.camera_card import CameraCard
from calibration.flatfield import FlatfieldCard
from calibration.scale import ScaleCard
from calibration.threshold import CARD_FILE, read_card
from glass_core.config import load_train_config
from glass_core.engines.bundle import MANIFEST_FILE, check_files, load_manifest
from glass_core.errors import InputError, as_line
from glass_core.network.checkpoint import INFO_FILE, MODEL_FILE, read_info, read_tensors, weights_sha
from glass_core.pictures.datasets import list_images
from glass_core.pictures.headers import find_format
from glass_core.settings.document import read_document
from pipeline.cameras.recording import INDEX, Recording
from pipeline.config.cards import load_config
from pipeline.ledger.black_box import read_box
from pipeline.ledger.opening import schema_of
from pipeline.ledger.reading import read_runs
from pipeline.ledger.store import MAGIC
from pipeline.ledger.widths import LEDGER
from pipeline.recording.contents import SUFFIX, is_mcap
from pipeline.recording.reading import McapRecording
from pipeline.recording.writing import SCHEMA

MAX_JSON_BYTES = 16 << 20
"""No file of ours in JSON is larger."""
CAMERA_CARDS: dict[str, type[CameraCard]] = {
    "alignment": AlignmentCard, "flatfield": FlatfieldCard, "scale": ScaleCard,
}  # fmt: skip
MCAP = b"\x89MCAP0\r\n"
NAMES = (MANIFEST_FILE, INFO_FILE, INDEX, LEDGER)
"""The files that make a folder what it is; a bundle holds what a run holds, too."""


class Identity(BaseModel):
    """What lies at a path."""

    model_config = ConfigDict(frozen=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    kind: str
    file_schema: int | None
    """Null: files of this kind have no number, or it cannot be read."""
    reads: bool
    """Whether this program does."""
    text: str
    """What it holds, or why it is not read and what to do."""


@dataclass(frozen=True)
class Content:
    """How a file begins, and what it says where it is an object in JSON, or its first line is one."""

    path: Path
    head: bytes
    body: dict[str, Any]
    line: dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of file: how it is known, and how it is read, in words."""

    name: str
    known: Callable[[Content], bool]
    read: Callable[[Path], str]


def identify(path: Path) -> Identity:
    """What lies there. InputError where nothing is, nobody may look, or it is nothing of this program.

    It is read as whoever uses it reads it, and nothing is written. No engine is started, and no picture is decoded.

    >>> found = identify(folder / "record")
    >>> found.kind, found.reads
    ('record', True)
    """
    named = next((path / name for name in NAMES if (path / name).is_file()), None)
    if named is None and path.is_dir():
        return _folder(path)
    content = _content(named or path)
    for kind in KINDS:
        if kind.known(content):
            return _tried(kind.name, content, kind.read)
    raise _unknown(content.path)


def _tried(kind: str, content: Content, read: Callable[[Path], str]) -> Identity:
    try:
        text, reads = as_line(read(content.path)), True
    except InputError as refused:
        text, reads = str(refused), False
    return Identity(kind=kind, file_schema=_schema(content, reads), reads=reads, text=text)


def _schema(content: Content, reads: bool) -> int | None:
    if content.head.startswith(MAGIC):
        with suppress(InputError):
            return schema_of(content.path)
    if content.head.startswith(MCAP):
        return int(SCHEMA) if reads else None
    found = content.body.get("schema", content.line.get("schema_version"))
    return found if type(found) is int else None


def _folder(path: Path) -> Identity:
    """A folder without one of the files that are looked for: of recordings in MCAP, or of pictures."""
    try:
        if is_mcap(path):
            return _tried("recording (MCAP)", Content(path, MCAP, {}, {}), _mcap)
        images = list_images(path)
    except InputError as refused:
        raise InputError(f"no record, run, bundle or recording, and {refused}") from None
    except OSError as e:
        raise InputError(f"not readable ({e.strerror}), {path}, check it or name another") from None
    return Identity(kind="folder of pictures", file_schema=None, reads=True, text=f"{len(images)} pictures of good cloth")


def _content(path: Path) -> Content:
    try:
        if not path.is_file():  # a pipe would be waited for
            raise InputError(f"no such file or folder, {path}, name one")
        with path.open("rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
    except OSError as e:
        raise InputError(f"not readable ({e.strerror}), {path}, check it or name another") from None
    return Content(path, data[:64], _object(data), _object(data.partition(b"\n")[0]))


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = from_json(data) if data[:1] == b"{" and len(data) <= MAX_JSON_BYTES else None
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _unknown(path: Path) -> InputError:
    return InputError(f"nothing that this program has written or reads, {path}, name a record, run, bundle, card or the like")


def _record(path: Path) -> str:
    runs = read_runs(path)
    versions = ", ".join(sorted({str(facts.get("version", "unknown")) for facts in runs.values()}))
    return f"{len(runs)} runs, written by glassline {versions}" if runs else "no runs"


def _run(path: Path) -> str:
    info = read_info(path.parent)
    if weights_sha(read_tensors(path.parent / MODEL_FILE)[0]) != info.weights_sha:
        raise InputError(f"{MODEL_FILE} is not the one that {INFO_FILE} describes, {path.parent}, restore both")
    return f"{info.arch}, weights {info.weights_sha[:12]}, {_card_beside(path)}"


def _bundle(path: Path) -> str:
    manifest = load_manifest(path.parent)
    check_files(path.parent, manifest)
    made = f"for {manifest.backend} {manifest.version} on {manifest.device}"
    return f"{made}, {manifest.precision}, weights {manifest.weights_sha[:12]}, {_card_beside(path)}"


def _card_beside(path: Path) -> str:
    return "with a threshold card" if (path.parent / CARD_FILE).is_file() else "without a threshold card"


def _threshold_card(path: Path) -> str:
    card = read_card(path)
    return f"of {card.created:%Y-%m-%d}, {len(card.thresholds)} lanes, for weights {card.weights_sha[:12]}"


def _camera_card(path: Path) -> str:
    card = CAMERA_CARDS[_content(path).body["kind"]].load(path)
    return f"of camera {card.camera}, {card.created:%Y-%m-%d}, valid until {card.valid_until:%Y-%m-%d}"


def _recording(path: Path) -> str:
    return f"cameras {', '.join(Recording(path.parent).cameras)}"


def _mcap(path: Path) -> str:
    recording = McapRecording(path)
    return "; ".join(filter(None, (f"cameras {', '.join(recording.cameras)}", recording.shortfall)))


def _black_box(path: Path) -> str:
    box = read_box(path)
    return f"of line {box.opening.line}: {box.fault.process}, {box.fault.why}"


def _settings(path: Path) -> str:
    if "train" in (body := read_document(path).body) and "line" not in body:
        load_train_config(path)
        return "of a training"
    line = load_config(path)
    return f"of line {line.line.name}, cameras {', '.join(camera.name for camera in line.cameras)}"


KINDS = (
    Kind("record", lambda c: c.head.startswith(MAGIC) or c.path.name == LEDGER, _record),
    Kind("recording (MCAP)", lambda c: c.head.startswith(MCAP) or c.path.suffix == SUFFIX, _mcap),
    Kind("bundle", lambda c: {"backend", "tile_shape"} <= c.body.keys() or c.path.name == MANIFEST_FILE, _bundle),
    Kind("run", lambda c: {"arch", "weights_sha"} <= c.body.keys() or c.path.name == INFO_FILE, _run),
    Kind("threshold card", lambda c: "thresholds" in c.body or c.path.name == CARD_FILE, _threshold_card),
    Kind("camera card", lambda c: "valid_until" in c.body and c.body.get("kind") in tuple(CAMERA_CARDS), _camera_card),
    Kind("recording", lambda c: {"cameras", "started_utc_ns"} <= c.body.keys() or c.path.name == INDEX, _recording),
    Kind("black box", lambda c: c.line.get("kind") == "box", _black_box),
    Kind("configuration", lambda c: c.path.suffix in (".yaml", ".yml"), _settings),
    Kind("picture", lambda c: find_format(c.head[:16]) is not None, lambda path: "not opened"),
)
"""In the order in which they are tried."""
