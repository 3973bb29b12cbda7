"""Checks a document against its type, and tells the first fault on one line: key, value, file, what is allowed."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from glass_core.errors import InputError
from glass_core.settings.document import Document
from glass_core.settings.values import Place, dotted

Kind = TypeVar("Kind", bound=BaseModel)

TEXT_WANTED = {"string_type", "path_type", "literal_error", "enum"}
MAPPING_WANTED = {"dict_type", "model_type", "model_attributes_type"}
LIST_WANTED = {"tuple_type", "list_type"}
MAX_SHOWN = 80


def checked(document: Document, kind: type[Kind], body: Mapping[str, Any], under: Place = ()) -> Kind:
    """The `body` of a document, or of its section `under`, as a typed value; InputError tells the first fault."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise InputError(_explain(error, kind.model_json_schema(), document, under)) from None


def changed(section: Kind, where: str, **values: Any) -> Kind:
    """The section with other values, validated as a whole as if it had been read so; what was left to defaults still is.

    `where` says what it is to be. Raises InputError that tells the first thing which does not fit.
    """
    given = {key: getattr(section, key) for key in section.model_fields_set}
    try:
        return type(section).model_validate(given | values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = dotted(_walk(type(section).model_json_schema(), fault["loc"])[0])
        what = f"{key}: {_message(fault['msg'])}" if key else _message(fault["msg"])
        raise InputError(f"settings that do not fit together ({what}), {where}, change them in the config") from None


def _explain(error: ValidationError, schema: dict[str, Any], document: Document, under: Place) -> str:
    """An unknown key goes before the other faults: a misspelt one is missed elsewhere, and that is not the mistake."""
    faults = error.errors(include_url=False)
    first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    inner, section = _walk(schema, first["loc"])
    place, value, kind = (*under, *inner), first["input"], first["type"]
    if kind.startswith("union_tag_"):
        name = first["ctx"]["discriminator"].strip("'")
        place, value = (*place, name), value.get(name)
    key, where, shown = dotted(place), document.where(place), _shown(value, document, place)
    if kind.startswith("union_tag_"):
        kinds = ", ".join(map(repr, section["discriminator"]["mapping"]))
        what = f"missing key {key}" if kind == "union_tag_not_found" else f"bad value {shown} for {key}"
        return f"{what}, {where}, give one of {kinds}"
    if kind == "extra_forbidden":
        return f"unknown key {key}, {where}, {_nearest(str(first['loc'][-1]), _walk(schema, first['loc'][:-1])[1])}"
    if kind == "missing":
        return f"missing key {key}, {where}, add it"
    if kind in MAPPING_WANTED:
        return f"{key} is {shown}, {where}, give a mapping of settings"
    if kind in LIST_WANTED:
        return f"{key} is {shown}, {where}, give a list"
    alike = [fault["msg"] for fault in faults if _walk(schema, fault["loc"])[0] == inner]
    message = " or ".join(dict.fromkeys(map(_message, alike))).replace(" or it should be ", " or ")
    if kind == "value_error" and isinstance(value, dict):
        return f"bad settings{f' under {key}' if key else ''}, {where}, {message}"
    if kind in TEXT_WANTED and not isinstance(value, str) and place in document.texts:
        message += f"; without quotes it reads as {json.dumps(value)}, put text in quotes"
    return f"bad value {shown} for {key}, {where}, {message}"


def _walk(schema: dict[str, Any], loc: Sequence[str | int]) -> tuple[Place, dict[str, Any]]:
    """Pydantic's place of a fault without the names of kinds that it puts between the keys, and the schema there."""
    place: list[str | int] = []
    node = _opened(schema, schema)
    for step in loc:
        if step == "[key]":  # the fault is in the key itself
            break
        if "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"][step]}
        elif "properties" in node:
            place.append(step)
            node = node["properties"].get(step, {})
        elif isinstance(step, int) and ("items" in node or "prefixItems" in node):
            place.append(step)
            node = dict(enumerate(node.get("prefixItems", []))).get(step, node.get("items", {}))
        elif values := node.get("additionalProperties") or next(iter(node.get("patternProperties", {}).values()), None):
            place.append(step)  # whatever its keys are like
            node = values
        else:  # a kind in a union, which nobody wrote
            node = {}
        node = _opened(node, schema)
    return tuple(place), node


def _opened(node: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference, or a value that may be null, stands for."""
    while isinstance(node, dict):
        kinds = [kind for kind in node.get("anyOf", []) if kind != {"type": "null"}]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        elif len(kinds) == 1:
            (node,) = kinds
        else:
            return node
    return {}


def _nearest(key: str, section: dict[str, Any]) -> str:
    known = list(section.get("properties", {}))
    near = difflib.get_close_matches(key, known, n=1)
    return (f"did you mean {near[0]}; " if near else "") + f"use one of {', '.join(known)}"


def _shown(value: Any, document: Document, place: Place) -> str:
    """A value as it stands in the file."""
    if isinstance(value, dict):
        return "a mapping"
    text = document.texts.get(place, repr(value)) or "nothing"
    return text if len(text) < MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _message(message: str) -> str:
    """Pydantic's words about an input, as words about the value named before."""
    message = re.sub(r" after validation| for <class .*>", "", message.removeprefix("Value error, "))
    message = re.sub(r"^(Input|String|Tuple|List|Dictionary) (?=should)", "it ", message)
    return message.replace("Input is not a valid path", "it should be a valid path")
