"""Folders that are for one user alone."""

import os
import stat
from pathlib import Path

from glass_core.errors import InputError


def make_private(folder: Path, what: str, advice: str) -> None:
    """Make the folder, for this user alone; InputError where somebody else made it, made it a link, or may look in."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as e:
        raise InputError(f"{what} not made, {folder}, {e.strerror}: {advice}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(f"{what} is open to others, {folder}, remove it or run `chmod 700` on it")
