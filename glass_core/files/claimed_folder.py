"""Folders that a user names for output: never one with something in it, unless told to add to it or to take its place."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from glass_core.errors import InputError
from glass_core.files.whole_file import refused_writes


@contextmanager
def claimed_folder(out: Path, marks: Sequence[str] = (), replace: bool = False, append: bool | None = None) -> Iterator[None]:
    """Lets the work go on where `out` is new or empty, or where the user said what is to become of its content.

    `append`: the content stays, and the work adds to it (None: this work cannot). `replace`: the content waits in a hidden
    folder beside `out`. It goes when the work is done and comes back when the work fails. Work that is interrupted leaves
    both. One of `marks` must be in the content, so that no folder of somebody else is touched. Raises InputError.
    """
    place = out.resolve()
    aside = place.parent / f".{place.name}.replaced"
    if place.exists() and not place.is_dir():
        raise InputError(f"not a folder, {out}, choose another --out")
    with refused_writes(out):
        full = place.exists() and any(place.iterdir())
    if replace and aside.exists():
        raise InputError(f"an earlier --replace was interrupted, {aside}, it holds what was there before: move or delete it")
    if full and not append and not replace:
        more = "" if append is None else " --append to add to it,"
        raise InputError(f"folder is not empty, {out}, say{more} --replace to delete its content, or choose another --out")
    if not full:
        yield
        return
    if not any((place / mark).exists() for mark in marks):
        raise InputError(f"folder holds something else ({' or '.join(marks)} is not in it), {out}, choose another --out")
    if not replace:
        yield
        return
    with refused_writes(out):
        aside.mkdir()
        _move(place, aside)
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(exist_ok=True)
        _move(aside, place)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    """All that is in a folder; the folder itself may be somebody's working directory, or the end of a link."""
    for child in source.iterdir():
        child.rename(target / child.name)
