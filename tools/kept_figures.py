"""Figures kept beside a run as JSON: written whole or not at all, and checked when they are read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from glass_core.errors import InputError
from glass_core.whole_file import whole_file

_MAX_BYTES = 1 << 20


class Kept(BaseModel):
    """What a file holds; others derive from it."""

    model_config = ConfigDict(extra="forbid")


class Figures(Kept):
    """What a model reaches on a test set by the official protocol; null where it cannot be had."""

    image_auroc: FiniteFloat | None
    pixel_auroc: FiniteFloat | None
    pro_official: FiniteFloat | None


def write(path: Path, value: dict[str, Any]) -> None:
    """As JSON, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n")


def read(path: Path, kind: type[Kept]) -> dict[str, Any] | None:
    """What `write` has left there, none where nothing is. Raises InputError for what is damaged or too large."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"damaged (over {_MAX_BYTES} bytes), {path}, delete it")
        return kind.model_validate_json(path.read_bytes()).model_dump(by_alias=True, exclude_defaults=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"not readable ({error.strerror}), {path}, check the file") from None
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'the text'}: {first['msg']}"
        raise InputError(f"damaged or of another version ({what}), {path}, delete it") from None
