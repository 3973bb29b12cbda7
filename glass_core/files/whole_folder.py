"""Folders are filled beside their place and then renamed: whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.whole_file import refused_writes


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes it at the end, or goes when anything fails.

    Raises InputError where something lies in `out` already, or the disk cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"already there, {out}, choose another folder")
    place = out.resolve()  # `.` has no name
    part = place.with_name(f".{place.name}.part")
    with refused_writes(out):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
            part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def folder_for_work(out: Path) -> Iterator[None]:
    """Makes `out` for work that may be taken up again; after an error it goes if it was not there and holds nothing."""
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if made:
            with suppress(OSError):  # it holds something
                out.rmdir()
        raise
