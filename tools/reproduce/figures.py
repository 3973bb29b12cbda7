"""Figures kept beside a run, and how they are read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat

from glass_core.files.kept_json import read_json


class Kept(BaseModel):
    """What a file holds; others derive from it."""

    model_config = ConfigDict(extra="forbid")


class Figures(Kept):
    """What a model reaches on a test set by the official protocol; null where it cannot be had."""

    image_auroc: FiniteFloat | None
    pixel_auroc: FiniteFloat | None
    pro_official: FiniteFloat | None


def read(path: Path, kind: type[Kept]) -> dict[str, Any] | None:
    """What was written there, none where nothing is. Raises InputError for what is damaged or too large."""
    found = read_json(path, kind, "delete it")
    return None if found is None else found.model_dump(by_alias=True, exclude_defaults=True)
