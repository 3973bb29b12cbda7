"""Makes plain values of a YAML file's events: with the line of each, and without what people do not mean to write."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from glass_core.errors import InputError
from glass_core.settings.scalars import read_plain

MAX_VALUES = 20_000
"""With what aliases repeat; a line of 16 cameras and 50 styles has some thousand."""
MAX_DEPTH = 32

Place = tuple[str | int, ...]
"""The keys and list indices that lead to a value."""


def dotted(place: Place) -> str:
    """A place as people write it: cameras[1].rows; a key that is no plain word stands in brackets."""
    plain = (isinstance(step, str) and re.fullmatch(r"[\w-]+", step) for step in place)
    return "".join(f".{step}" if word else f"[{step!r}]" for step, word in zip(place, plain, strict=True)).removeprefix(".")


@dataclass
class Values:
    """The values made so far. PyYAML's own loader is not used: it keeps the last of two equal keys and forgets lines."""

    path: Path
    events: Iterator[Any]
    lines: dict[Place, int] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)
    """How those are written that are neither text nor collections: `no` for false."""
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    """What aliases may repeat, and of how many values it consists."""
    count: int = 0

    def read(self) -> Any:
        """The one document of the events, null where there is none; InputError with file and line."""
        document = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent) and self.count:
                self._refuse("a second document", event, "keep one in a file")
            if isinstance(event, yaml.NodeEvent):
                document = self._value(event, ())
        return document

    def _value(self, event: Any, place: Place) -> Any:
        self.lines.setdefault(place, event.start_mark.line + 1)
        before = self.count
        self._add(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event)
        self._check_tag(event)
        if len(place) > MAX_DEPTH:
            self._refuse(f"over {MAX_DEPTH} levels deep", event, "no setting lies so deep")
        made: Any
        if isinstance(event, yaml.ScalarEvent):
            made = self._scalar(event, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            made = self._sequence(place)
        else:
            made = self._mapping(place)
        if event.anchor is not None:
            self.anchors[event.anchor] = (made, self.count - before)
        return made

    def _repeated(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            self._refuse(f"alias *{event.anchor} for nothing before it", event, f"write &{event.anchor} there")
        value, size = self.anchors[event.anchor]
        self._add(size, event)
        return value

    def _scalar(self, event: Any, place: Place) -> Any:
        text: str = event.value
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            self._refuse(f"a character that is none in {dotted(place)}", event, "write plain text")
        if not event.implicit[0]:  # in quotes, or a block of text
            return text
        try:
            value = read_plain(text)
        except ValueError as error:
            self._refuse(f"bad value {_shortened(text)} for {dotted(place)}", event, str(error))
        if not isinstance(value, str):
            self.texts[place] = text
        return value

    def _sequence(self, place: Place) -> list[Any]:
        made: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            made.append(self._value(event, (*place, len(made))))
        return made

    def _mapping(self, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        own: dict[str, int] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, place)
            here, line = (*place, key), event.start_mark.line + 1
            if key in own:
                raise InputError(f"duplicate key {dotted(here)}, {self.path}:{own[key]} and line {line}, keep one of the two")
            self.lines[here] = own[key] = line
            value = self._value(next(self.events), here)
            if key == "<<" and event.implicit[0]:
                merged = self._merged(value, event)
            else:
                made[key] = value
        return {**merged, **made}

    def _key(self, event: Any, place: Place) -> str:
        self._add(1, event)
        under = f" under {dotted(place)}" if place else ""
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(f"a key that is no text{under}", event, "write a word before the colon")
        self._check_tag(event)
        try:
            key = read_plain(event.value) if event.implicit[0] else self._scalar(event, place)
        except ValueError as error:
            self._refuse(f"bad key {_shortened(event.value)}{under}", event, str(error))
        if not isinstance(key, str):
            self._refuse(f"bad key {event.value or 'null'}{under}", event, f"it reads as {json.dumps(key)}: put it in quotes")
        return key

    def _merged(self, value: Any, event: Any) -> dict[str, Any]:
        """What a merge key brings in; of several mappings the first goes before the later ones."""
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            self._refuse("a merge key << without a mapping", event, "give it the alias of one")
        return {key: value for part in reversed(parts) for key, value in part.items()}

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(f"not YAML (no tag is known, got {_shortened(tag)})", event, "take it out, put text in quotes")

    def _add(self, values: int, event: Any) -> None:
        self.count += values
        if self.count > MAX_VALUES:
            self._refuse(f"over {MAX_VALUES} values, with what aliases repeat", event, "no configuration needs so many")

    def _refuse(self, what: str, event: Any, advice: str) -> NoReturn:
        raise InputError(f"{what}, {self.path}:{event.start_mark.line + 1}, {advice}")


def _shortened(text: str) -> str:
    return text if len(text) < 80 else text[:77] + "..."
