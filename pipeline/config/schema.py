"""The JSON Schema of a configuration, for editors: they complete keys, show what each means, and mark what is wrong."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache
from itertools import pairwise
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from glass_core.config import TrainConfig
from pipeline.config.line import LineConfig

SCHEMA_FILE = "line.schema.json"
"""Beside the shipped examples, in configs/."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
READERS_OWN = "_sha"
"""Keys with this ending are filled in when a file is read: nobody writes them."""


def config_schema() -> dict[str, Any]:
    """Of a whole file, its section `train:` included."""
    of, both = models_json_schema([(LineConfig, "validation"), (TrainConfig, "validation")], schema_generator=Described)
    line = both["$defs"].pop("LineConfig")
    line["properties"]["train"] = of[TrainConfig, "validation"]
    for section in (line, *both["$defs"].values()):
        for key in [key for key in section.get("properties", {}) if key.endswith(READERS_OWN)]:
            del section["properties"][key]
    return {"$schema": DIALECT, **line, "title": "glassline", "$defs": both["$defs"]}


class Described(GenerateJsonSchema):
    """With the words that stand under a key in its class; pydantic alone knows only those of the class."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        found = super().model_schema(schema)
        kind: type[BaseModel] = schema["cls"]
        told = {key: words for of in reversed(kind.__mro__) for key, words in _words_under(of).items()}
        for name, field in kind.model_fields.items():
            if name in told and (key := found.get("properties", {}).get(field.alias or name)) is not None:
                key["description"] = told[name]
        return found


def _words_under(kind: type) -> dict[str, str]:
    """Of each key of a class, the string that follows it."""
    module = inspect.getmodule(kind)
    if module is None or not issubclass(kind, BaseModel) or kind is BaseModel:
        return {}
    body = _classes(module).get(kind.__name__, [])
    return {
        key.target.id: inspect.cleandoc(words.value.value)
        for key, words in pairwise(body)
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name)
        if isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant) and isinstance(words.value.value, str)
    }


@lru_cache
def _classes(module: ModuleType) -> dict[str, list[ast.stmt]]:
    return {c.name: c.body for c in ast.parse(inspect.getsource(module)).body if isinstance(c, ast.ClassDef)}
