"""Reads a YAML file into a document that knows on which line each of its values stands."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from glass_core.errors import InputError
from glass_core.settings.values import Place, Values

MAX_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True)
class Document:
    """A YAML file's content, and where in the file it stands."""

    path: Path
    body: dict[str, Any]
    lines: dict[Place, int]
    texts: dict[Place, str]
    """How those values are written that are neither text nor collections: `no` for false."""

    def where(self, place: Place) -> str:
        """File and line of a value, or of what encloses it; the file alone for the whole."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.path}:{self.lines[place]}" if place else str(self.path)


def read_document(path: Path) -> Document:
    """Reads one mapping from a YAML file in UTF-8, with or without a byte order mark; an empty file is an empty mapping.

    Aliases and merge keys are followed. Duplicate keys, keys that are no text, tags and further documents are refused, as are
    more than MAX_CONFIG_BYTES, MAX_VALUES or MAX_DEPTH. Raises InputError with file and line.
    """
    text = _read_text(path)
    try:
        values = Values(path, yaml.parse(text, Loader=yaml.SafeLoader))
        body = values.read()
    except yaml.MarkedYAMLError as error:
        raise InputError(_mistake(error, text, path)) from None
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        raise InputError(f"not YAML (a control character), {path}:{number}, take it out") from None
    if body is not None and not isinstance(body, dict):
        raise InputError(f"no mapping at top level, {path}:1, begin with train: or line:")
    return Document(path, body or {}, values.lines, values.texts)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"config not readable ({reason}), {path}, give the path of a YAML file") from None
    if len(content) > MAX_CONFIG_BYTES:
        raise InputError(f"config over {MAX_CONFIG_BYTES} bytes, {path}, give a YAML file of settings")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"not YAML (not UTF-8), {path}:{number}, save it as UTF-8") from None


def _mistake(error: yaml.MarkedYAMLError, text: str, path: Path) -> str:
    number = error.problem_mark.line if error.problem_mark else 0
    line = "".join(text.splitlines()[number : number + 1])
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"not YAML (a tab in the indentation), {path}:{number + 1}, use spaces"
    problem = " ".join(f"{error.context or ''} {error.problem}".split())
    return f"not YAML ({problem}), {path}:{number + 1}, mend the syntax"
