"""`<ledger>.lock`, which the one process that writes a ledger holds as long as it lives."""

from __future__ import annotations

import os
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.lock_files import is_locked, take_lock
from glass_core.files.whole_file import make_folder


def lock(path: Path) -> int:
    """Hold it until the handle is closed; InputError where another line does, or the folder cannot be written."""
    try:
        make_folder(path.parent)
        handle = os.open(_side(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as e:
        raise InputError(f"ledger not writable ({e.strerror}), {path}, choose another ledger.path") from None
    try:
        held = take_lock(handle)
    except OSError as e:
        os.close(handle)
        raise InputError(f"ledger cannot be locked ({e.strerror}), {path}, choose another ledger.path") from None
    if not held:
        os.close(handle)
        raise InputError(f"ledger in use by another line, {path}, stop it or choose another ledger.path")
    return handle


def check_free(path: Path) -> None:
    """InputError while somebody writes this ledger."""
    os.close(lock(path))


def is_written(path: Path) -> bool:
    """Whether somebody writes this ledger now."""
    return is_locked(_side(path))


def _side(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
