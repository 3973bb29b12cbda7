"""Folders that a user names for output: never one with something in it, unless told to add to it or to take its place."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from glass_core.errors import InputError, MissingError
from glass_core.files.whole_file import refused_writes


@contextmanager
def claimed_folder(out: Path, marks: Sequence[str] = (), replace: bool = False, append: bool | None = None) -> Iterator[None]:
    """Lets the work go on where `out` is new or empty, or where the user said what is to become of its content.

    `append`: the content stays, and the work adds to it (None: this work cannot). `replace`: the content goes when the
    work is done, and comes back where the work is refused. One of the files `marks` must be there, so that nobody loses a
    folder that we did not write. Raises InputError.
    """
    with refused_writes(out):
        place = out.resolve()
        aside = place.parent / f".{place.name}.replaced"
        if out.exists() and not out.is_dir():
            raise InputError(f"not a folder, {out}, choose another --out")
        full = aside.exists() or (out.exists() and any(out.iterdir()))
        if not full or (append and not aside.exists()):
            replace = False
        elif not replace:
            more = "" if append is None else " --append to add to it,"
            raise InputError(f"folder is not empty, {out}, say{more} --replace to delete its content, or choose another --out")
        if not replace:
            yield
            return
        if not aside.exists():  # else the one that an earlier replacement was interrupted at
            if not any((out / mark).exists() for mark in marks):
                raise InputError(
                    f"folder holds something else ({' or '.join(marks)} is not in it), {out}, choose another --out"
                )
            place.rename(aside)
        shutil.rmtree(place, ignore_errors=True)
        try:
            yield
        except (InputError, MissingError):
            shutil.rmtree(place, ignore_errors=True)
            aside.rename(place)
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
