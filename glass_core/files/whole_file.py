"""Files are written beside their place and then renamed: whole or not at all, also after a power cut."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glass_core.errors import InputError


@contextmanager
def whole_file(path: Path, durable: bool = True) -> Iterator[Path]:
    """Where to write what is to become the file `path`, which it does at the end; after an error what was there stays.

    It waits for the disk, so that the file is there and whole after a power cut; not `durable` spares that where many are
    written in a hurry. OSError is left to the caller, who knows what to do about it.
    """
    if not path.name:  # "", "." and "/"
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()  # a link there would be written through
    try:
        yield part
        if durable:
            _sync(part)
        part.replace(path)
        if durable:
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            part.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, that is there after a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def nearest_folder(path: Path) -> Path:
    """The path, or of the folders above it the first that is there: what is made at the path is made on its disk."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: https://man7.org/linux/man-pages/man2/fsync.2.html.

    Some network disks know no such wait, and a folder that may be written need not be readable.
    """
    try:
        _sync(folder)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.EACCES):
            raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def refused_writes(place: Path | None) -> Iterator[None]:
    """Turns a disk that is full or must not be written into an InputError; `place` is named where the error names none."""
    try:
        yield
    except OSError as error:
        where = error.filename or place
        raise InputError(f"not writable ({error.strerror}), {where}, make room or choose another folder") from None
