"""The JSON Schema for editors: it knows every key that is read, says what each means, and no key that nobody writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glass_core.config import TrainConfig
from glass_core.settings.document import read_document
from pipeline.config.line import LineConfig
from pipeline.config.schema import config_schema
from tests.shared_data import ROOT

SCHEMA = config_schema()
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def kinds_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a value there may be, references followed."""
    if "$ref" in node:
        yield from kinds_of(SCHEMA["$defs"][node["$ref"].removeprefix("#/$defs/")])
    for kind in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from kinds_of(kind)
    yield node


def unknown(value: Any, node: dict[str, Any], place: str = "") -> Iterator[str]:
    """Keys that none of the kinds has; where several are told apart by a key, that of the kind meant."""
    kinds = list(kinds_of(node))
    if isinstance(value, list):
        items = [kind["items"] for kind in kinds if "items" in kind]
        yield from (name for part in value for item in items for name in unknown(part, item, f"{place}[]"))
    if not isinstance(value, dict):
        return
    known: dict[str, Any] = {}
    for kind in kinds:
        properties = kind.get("properties", {})
        fixed = {key: of["const"] for key, of in properties.items() if "const" in of}
        if all(value.get(key) == wanted for key, wanted in fixed.items()):
            known |= properties
        free = kind.get("additionalProperties") or next(iter(kind.get("patternProperties", {}).values()), None)
        if free:
            known |= {key: free if isinstance(free, dict) else {} for key in value}
    for key, part in value.items():
        if key in known:
            yield from unknown(part, known[key], f"{place}.{key}")
        else:
            yield f"{place}.{key}"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_knows_every_key_of_the_examples(path: Path) -> None:
    assert list(unknown(read_document(path).body, SCHEMA)) == []


def test_it_knows_no_key_that_is_misspelt_or_of_another_kind() -> None:
    body = {"lines": {}, "cameras": [{"source": "weave", "serial": "1"}], "train": {"epoch": 3}, "decision": {"budget": 1}}
    assert list(unknown(body, SCHEMA)) == [".lines", ".cameras[].serial", ".train.epoch", ".decision.budget"]


def test_it_says_what_keys_mean_those_of_a_base_class_too() -> None:
    basler = SCHEMA["$defs"]["BaslerConfig"]["properties"]
    assert basler["pfs"] and basler["rows"]["description"].startswith("New rows of a slab")
    assert basler["features"]["description"].startswith("GenICam features")
    assert "description" in SCHEMA["$defs"]["ModbusMotion"]["properties"]["register"]
    assert "flatfield" in basler and "flatfield_sha" not in basler


def test_it_is_of_the_whole_file() -> None:
    assert set(SCHEMA["properties"]) == set(LineConfig.model_fields)
    (train,) = (kind for kind in kinds_of(SCHEMA["properties"]["train"]) if "properties" in kind)
    assert set(train["properties"]) == set(TrainConfig.model_fields)
