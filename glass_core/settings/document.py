"""Reads a YAML file into plain values and remembers on which line each of them stands."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from glass_core.errors import InputError
from glass_core.settings.scalars import read_plain

MAX_CONFIG_BYTES = 1 << 20
MAX_VALUES = 20_000
"""With what aliases repeat; a line of 16 cameras and 50 styles has some thousand."""
MAX_DEPTH = 32

Place = tuple[str | int, ...]
"""The keys and list indices that lead to a value."""


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


def dotted(place: Place) -> str:
    """A place as people write it: cameras[1].rows."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def read_document(path: Path) -> Document:
    """Reads one mapping from a YAML file in UTF-8, with or without a byte order mark; an empty file is an empty mapping.

    Aliases and merge keys are followed. Duplicate keys, keys that are no text, tags and further documents are refused, as are
    more than MAX_CONFIG_BYTES, MAX_VALUES or MAX_DEPTH. Raises InputError with file and line.
    """
    text = _read_text(path)
    reading = _Reading(path)
    try:
        body = reading.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        number = error.problem_mark.line if error.problem_mark else 0
        if "\t" in _indentation(text, number):
            raise InputError(f"not YAML (a tab in the indentation), {path}:{number + 1}, use spaces") from None
        problem = " ".join(f"{error.context or ''} {error.problem}".split())
        raise InputError(f"not YAML ({problem}), {path}:{number + 1}, mend the syntax") from None
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        raise InputError(f"not YAML (a control character), {path}:{number}, take it out") from None
    if body is not None and not isinstance(body, dict):
        raise InputError(f"no mapping at top level, {path}:1, begin with train: or line:")
    return Document(path, body or {}, reading.lines, reading.texts)


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
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"not YAML (not UTF-8), {path}:{line}, save it as UTF-8") from None


def _indentation(text: str, number: int) -> str:
    line = dict(enumerate(text.split("\n"))).get(number, "")
    return line[: len(line) - len(line.lstrip())]


@dataclass
class _Reading:
    """The values so far. Python's own loader is not used: it keeps the last of two equal keys, and forgets lines."""

    path: Path
    lines: dict[Place, int] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    """Values that may be repeated, and how many values each of them has."""
    count: int = 0
    events: Iterator[Any] = field(default_factory=lambda: iter(()))

    def document(self, events: Iterator[Any]) -> Any:
        self.events = events
        body = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and self.count:
                self.refuse("a second document", event, "keep one in a file")
            if isinstance(event, yaml.NodeEvent):
                body = self.value(event, ())
        return body

    def value(self, event: Any, place: Place) -> Any:
        self.lines.setdefault(place, event.start_mark.line + 1)
        before = self.count
        self.add(1, event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                self.refuse(f"alias *{event.anchor} for nothing before it", event, f"write &{event.anchor} there")
            repeated, size = self.anchors[event.anchor]
            self.add(size, event)
            return repeated
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.refuse(f"not YAML (no tag is known, got {tag})", event, "take it out, put text in quotes")
        if len(place) > MAX_DEPTH:
            self.refuse(f"over {MAX_DEPTH} levels deep", event, "no setting lies so deep")
        made = self.maker(event)(event, place)
        if event.anchor is not None:
            self.anchors[event.anchor] = (made, self.count - before)
        return made

    def maker(self, event: Any) -> Callable[[Any, Place], Any]:
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar
        return self.items if isinstance(event, yaml.SequenceStartEvent) else self.mapping

    def scalar(self, event: Any, place: Place) -> Any:
        text: str = event.value
        if "\0" in text or not _encodable(text):
            self.refuse(f"a character that is none in {dotted(place)}", event, "write plain text")
        if not event.implicit[0]:  # in quotes, or a block of text
            return text
        try:
            made = read_plain(text)
        except ValueError as error:
            self.refuse(f"bad value {_shortened(text)} for {dotted(place)}", event, str(error))
        if not isinstance(made, str):
            self.texts[place] = text
        return made

    def items(self, _: Any, place: Place) -> list[Any]:
        made: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            made.append(self.value(event, (*place, len(made))))
        return made

    def mapping(self, _: Any, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        own: dict[str, int] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, place)
            here, line = (*place, key), event.start_mark.line + 1
            if key in own:
                raise InputError(f"duplicate key {dotted(here)}, {self.path}:{own[key]} and line {line}, keep one of the two")
            self.lines[here] = own[key] = line
            value = self.value(next(self.events), here)
            if key == "<<" and event.implicit[0]:
                merged = self.merged(value, event)
            else:
                made[key] = value
        return {**merged, **made}

    def key(self, event: Any, place: Place) -> str:
        under = f" under {dotted(place)}" if place else ""
        if not isinstance(event, yaml.ScalarEvent):
            self.refuse(f"a key that is no text{under}", event, "write a word before the colon")
        self.add(1, event)
        try:
            key = self.scalar(event, place) if not event.implicit[0] else read_plain(event.value)
        except ValueError as error:
            self.refuse(f"bad key {_shortened(event.value)}{under}", event, str(error))
        if not isinstance(key, str):
            self.refuse(f"bad key {event.value or 'null'}{under}", event, f"it reads as {json.dumps(key)}: put it in quotes")
        return key

    def merged(self, value: Any, event: Any) -> dict[str, Any]:
        """What a merge key brings in; of several mappings the first goes before the later ones."""
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            self.refuse("a merge key << without a mapping", event, "give it the alias of one")
        return {key: value for part in reversed(parts) for key, value in part.items()}

    def add(self, values: int, event: Any) -> None:
        self.count += values
        if self.count > MAX_VALUES:
            self.refuse(f"over {MAX_VALUES} values, with what aliases repeat", event, "no configuration needs so many")

    def refuse(self, what: str, event: Any, advice: str) -> NoReturn:
        raise InputError(f"{what}, {self.path}:{event.start_mark.line + 1}, {advice}")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _shortened(text: str) -> str:
    return text if len(text) < 80 else text[:77] + "..."
