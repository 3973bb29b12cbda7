"""A file whose lock says that a program is at work: the kernel frees it when that program dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

LOOK_S = 1.0
"""Whoever looks whether somebody has the lock has it for a moment as well: so long it is tried for."""


def take_lock(handle: int) -> bool:
    """Whether it could be had on that open file."""
    end_s = time.monotonic() + LOOK_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end_s:
                return False
            time.sleep(0.02)
        else:
            return True


def is_locked(path: Path) -> bool:
    """Whether a program has it; True, too, where nobody may look."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a named pipe there would be waited for
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
