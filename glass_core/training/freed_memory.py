"""Keeps what a process has freed for its own next use, which the C library would otherwise give back to the system."""

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # <malloc.h>
_NEVER = -1


def keep_freed_memory() -> None:
    """From now on, for the whole process; glibc alone knows how, elsewhere nothing changes.

    A training frees and takes arrays of some MiB all the time, and every page that comes anew from the system is a fault,
    which virtual machines are slow at. The process stays as large as it once was (mallopt(3)).
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)
