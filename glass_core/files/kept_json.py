"""JSON that is kept beside a run: written whole or not at all, and checked when it is read again."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from glass_core.errors import InputError
from glass_core.files.whole_file import whole_file

MAX_BYTES = 1 << 20

Kind = TypeVar("Kind", bound=BaseModel)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """OSError is left to the caller."""
    with whole_file(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n")


def read_json(path: Path, kind: type[Kind], advice: str, most_bytes: int = MAX_BYTES) -> Kind | None:
    """What lies there, none where nothing does. Raises InputError with `advice` for what is damaged or over `most_bytes`."""
    try:
        if path.stat().st_size > most_bytes:
            raise InputError(f"damaged (over {most_bytes} bytes), {path}, {advice}")
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"not readable ({error.strerror}), {path}, check the file") from None
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc'])) or 'the text'}: {first['msg']}"
        raise InputError(f"damaged or of another version ({what}), {path}, {advice}") from None
