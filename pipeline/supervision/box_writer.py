"""A process that writes one black box and ends: `python -m pipeline.supervision.box_writer PATH`, the box on its stdin.

So a disk that is full, slow or gone holds up nobody but this process.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline.ledger.box_folder import keep_box
from pipeline.supervision.confinement import confine

WRITE_S = 60
"""A disk that takes no box in this time gets none."""


def main(arguments: Iterable[str]) -> int:
    """Exit 0: it is on the disk; 1: it is not, and why was printed."""
    (path,) = map(Path, arguments)
    confine()
    signal.alarm(WRITE_S)
    os.nice(10)  # whoever starts the line again comes first
    try:
        keep_box(path, sys.stdin.buffer.read())
    except OSError as e:
        print(f"glassline: black box not written ({e.strerror}), {path.parent}, make room on the disk", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
