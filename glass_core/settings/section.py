"""What every section of a configuration has in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema


def _make_numbers_strict(schema: Any) -> None:
    """Strict for numbers alone: pydantic's strict models would also refuse a list for a tuple and a string for a path."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float"):
            schema["strict"] = True
        for part in schema.values():
            _make_numbers_strict(part)
    elif isinstance(schema, list):
        for part in schema:
            _make_numbers_strict(part)


class Section(BaseModel):
    """Base of every section: immutable; unknown keys, numbers in quotes, true for 1, NaN and infinity are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _make_numbers_strict(schema)
        return schema
