"""Files are written beside their place and then renamed: whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glass_core.errors import InputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what is to become the file `path`, which it does at the end; after an error what was there stays.

    OSError is left to the caller, who knows what to do about it.
    """
    part = path.with_name(f".{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()  # a link there would be written through
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def refused_writes(place: Path | None) -> Iterator[None]:
    """Turns a disk that is full or must not be written into an InputError; `place` is named where the error names none."""
    try:
        yield
    except OSError as error:
        where = error.filename or place
        raise InputError(f"not writable ({error.strerror}), {where}, make room or choose another folder") from None
