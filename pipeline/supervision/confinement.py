"""What every process of a line gives up when it begins."""

from __future__ import annotations

import ctypes
import resource


def confine() -> None:
    """Whatever this process runs gains no rights, and a crash leaves no core: it would hold pictures, and fill the disk."""
    pr_set_no_new_privs = 38
    ctypes.CDLL(None).prctl(pr_set_no_new_privs, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
