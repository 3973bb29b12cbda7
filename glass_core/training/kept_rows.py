"""Feature rows that are kept instead of computed again: in memory up to a limit, then on the disk up to another."""

import math
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

MEMORY_BYTES = 4 << 30
DISK_BYTES = 32 << 30


class KeptRows:
    """Rows (cells, d) of each place in half precision, all of one shape.

    What memory does not hold goes to a file without a name in `folder`, which is gone with the process however that ends;
    half of what is free at first stays so, and it ends where writing fails: what is not kept is computed again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory: dict[int, Tensor] = {}
        self._memory_room = MEMORY_BYTES
        self._file: IO[bytes] | None = None
        self._disk_room, self._reserve = DISK_BYTES, 0
        self._offsets: dict[int, int] = {}
        self._shape: tuple[int, ...] = ()

    def put(self, place: int, rows: Tensor) -> bool:
        """Keep rows (cells, d) of half precision on the processor; false where there is no more room."""
        self._shape = tuple(rows.shape)
        if rows.nbytes <= self._memory_room:
            self._memory_room -= rows.nbytes
            self._memory[place] = rows.clone()
            return True
        try:
            free = shutil.disk_usage(self._folder).free
            if self._file is None:
                self._reserve = free // 2
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115, open as long as it is
                weakref.finalize(self, self._file.close)
            if rows.nbytes > self._disk_room or free - rows.nbytes < self._reserve:  # other processes fill it, too
                return False
            offset = len(self._offsets) * rows.nbytes
            if os.pwrite(self._file.fileno(), rows.numpy().tobytes(), offset) < rows.nbytes:
                raise OSError("a short write")
        except OSError:
            self._disk_room = 0
            return False
        self._disk_room -= rows.nbytes
        self._offsets[place] = offset
        return True

    def get(self, place: int) -> Tensor | None:
        """Rows (cells, d) of half precision on the processor, or none where they are not kept."""
        if place in self._memory:
            return self._memory[place]
        if self._file is None or place not in self._offsets:
            return None
        read = os.pread(self._file.fileno(), 2 * math.prod(self._shape), self._offsets[place])
        return torch.frombuffer(bytearray(read), dtype=torch.float16).reshape(self._shape)
