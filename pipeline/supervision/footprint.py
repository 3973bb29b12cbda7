"""What a process takes of the machine: memory, handles, threads and sockets, as Linux counts them in /proc."""

from __future__ import annotations

import os
from pathlib import Path

KIB_PER_MIB = 1024


def footprint(pid: int) -> dict[str, float]:
    """Memory in MiB, resident (`rss_mib`) and its alone (`uss_mib`); numbers of handles, threads and sockets.

    Empty for a process that has ended, or that is another user's.
    https://www.kernel.org/doc/html/latest/filesystems/proc.html
    """
    of = Path(f"/proc/{pid}")
    try:
        memory = (of / "smaps_rollup").read_text()
        handles = [_target(handle) for handle in (of / "fd").iterdir()]
        threads = len(list((of / "task").iterdir()))
    except OSError:
        return {}
    kib = {words[0].rstrip(":"): int(words[1]) for line in memory.splitlines()[1:] if (words := line.split())}
    return {
        "rss_mib": kib["Rss"] / KIB_PER_MIB,
        "uss_mib": sum(size for name, size in kib.items() if name.startswith("Private_")) / KIB_PER_MIB,
        "handles": len(handles),
        "threads": threads,
        "sockets": sum(target.startswith("socket:") for target in handles),
    }


def _target(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:  # closed meanwhile
        return ""


def size_mib(folder: Path) -> float:
    """Of all files in it, on the disk; one that goes meanwhile is left out."""
    blocks = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                blocks += (Path(place) / name).lstat().st_blocks
            except OSError:
                continue
    return blocks * 512 / 2**20
