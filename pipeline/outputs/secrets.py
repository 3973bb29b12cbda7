"""Passwords and keys: read where they are kept when an output begins, never part of a configuration or a record."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from glass_core.errors import InputError


def read_secret(path: Path, what: str) -> str:
    """The first line of a file that only its owner may read; InputError where there is none, or others may read it."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe would be waited for
            raise InputError(f"{what} is no file, {path}, give its file")
        if mode & 0o077:
            raise InputError(f"{what} may be read by others, {path}, run: chmod 600 {path}")
        found = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"{what} not readable ({getattr(e, 'strerror', None) or 'no text'}), {path}, give its file") from None
    if not found:
        raise InputError(f"{what} is empty, {path}, write it on the first line")
    return found


def secret_of(file: Path | None, variable: str | None, what: str) -> str | None:
    """From a file or a variable of the environment, whichever is named; null where neither is."""
    if file is not None:
        return read_secret(file, what)
    if variable is None:
        return None
    if not (found := os.environ.get(variable)):
        raise InputError(f"{what} is not there, the environment has no {variable}, set it before the line starts")
    return found
