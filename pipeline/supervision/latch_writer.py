"""A process that writes a line's latched fault, or takes it back: `python -m pipeline.supervision.latch_writer PATH [TEXT]`.

So a disk that is full, slow or gone holds up nobody but this process. It imports little, to be done before the line has ended.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from glass_core.files.whole_file import make_folder, sync_folder, whole_file
from pipeline.supervision.confinement import confine

WRITE_S = 60
"""A disk that has not done it by then is given up until the next try."""


def main(arguments: Sequence[str]) -> int:
    """Write the text, or without one remove the file; exit 0 when the disk has it, else the error's number."""
    path, told = Path(arguments[0]), arguments[1:]
    confine()
    signal.alarm(WRITE_S)
    try:
        if told:
            make_folder(path.parent)
            with whole_file(path) as part:
                part.write_text(told[0], encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
    except OSError as e:
        return e.errno or 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
