"""`<ledger>.lock`, which the one process that writes a ledger holds as long as it lives."""

from __future__ import annotations

import os
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.lock_files import is_locked, take_lock
from glass_core.files.whole_file import make_folder
from pipeline.ledger.refused import not_writable


def lock(path: Path) -> int:
    """Hold it until the handle is closed; InputError where another line does, or the folder cannot be written.

    The folder is one line's alone: its `verdicts.jsonl`, crops and latched fault lie beside the ledger under fixed names.
    """
    try:
        make_folder(path.parent)
        handle = os.open(_side(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as e:
        raise not_writable("ledger", path, e) from None
    try:
        held = take_lock(handle)
    except OSError as e:
        os.close(handle)
        raise InputError(f"ledger cannot be locked ({e.strerror}), {path}, choose another ledger.path") from None
    if not held:
        os.close(handle)
        raise InputError(f"ledger in use by another line, {path}, stop it or choose another ledger.path")
    for other in path.parent.glob("*.lock"):
        if other != _side(path) and is_locked(other):
            os.close(handle)
            raise InputError(
                f"another line writes its record into this folder, {other.with_suffix('')}, give each a folder of its own: "
                f"ledger.path of this one is {path}"
            )
    return handle


def check_free(path: Path) -> None:
    """InputError while somebody writes this ledger."""
    os.close(lock(path))


def is_written(path: Path) -> bool:
    """Whether somebody writes this ledger now."""
    return is_locked(_side(path))


def _side(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
