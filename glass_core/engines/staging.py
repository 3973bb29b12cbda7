"""Carries tiles to a CUDA device and cells back through pinned memory, in batches of fixed sizes; copies overlap compute."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glass_core.engines.backend import Device, Tiles
from glass_core.errors import MissingError

SLOTS = 2
"""While one batch is computed, the next is copied: each slot has a stream, buffers and a forward function of its own."""

Forward = Callable[[Tensor], Tensor]
"""Device tiles (bucket, h, w[, 3]) to device cells (bucket, h/c, w/c), on the current stream."""


@dataclass
class _Slot:
    stream: torch.cuda.Stream
    tiles: Tensor
    """Pinned, (largest bucket, h, w[, 3])."""
    cells: Tensor
    """Pinned, (largest bucket, h/c, w/c)."""
    forwards: dict[int, Forward]


class Staged:
    """A Runner on a CUDA device. `make(bucket, slot)` gives the forward function of a batch size.

    A batch is filled up to the smallest bucket that holds it with zeros, whose cells are dropped. Raises MissingError when
    the device's memory is too small for a bucket.
    """

    def __init__(
        self, make: Callable[[int, int], Forward], shape: tuple[int, ...], cells: tuple[int, ...], buckets: tuple[int, ...]
    ) -> None:
        self._buckets, most = buckets, buckets[-1]
        try:
            self._slots = [
                _Slot(
                    torch.cuda.Stream(),
                    torch.zeros((most, *shape), dtype=torch.uint8).pin_memory(),
                    torch.zeros((most, *cells)).pin_memory(),
                    {bucket: make(bucket, slot) for bucket in buckets},
                )
                for slot in range(SLOTS)
            ]
            for size in (*buckets, SLOTS * most):  # what a first call makes is made now, in every slot
                self(np.zeros((size, *shape), np.uint8))
        except torch.cuda.OutOfMemoryError:
            raise MissingError(f"too little GPU memory for batches of {most}, {cuda_device()}, free some of it") from None

    @torch.inference_mode()
    def __call__(self, tiles: Tiles) -> NDArray[np.float32]:
        most = self._buckets[-1]
        scored = np.empty((len(tiles), *self._slots[0].cells.shape[1:]), dtype=np.float32)  # (B, h/c, w/c)
        starts = range(0, len(tiles), most)
        for order, start in enumerate(starts):
            slot = self._slots[order % SLOTS]
            if order >= SLOTS:
                self._fetch(slot, scored, starts[order - SLOTS])
            self._launch(slot, tiles[start : start + most])
        for order in range(max(0, len(starts) - SLOTS), len(starts)):
            self._fetch(self._slots[order % SLOTS], scored, starts[order])
        return scored

    def on_device(self, size: int, wait: bool = True) -> Callable[[], None]:
        """Computes one batch of a bucket's size that is on the device already, and nothing else: what a benchmark times.

        Without `wait` a call returns as soon as the work is handed to the device.
        """
        slot = self._slots[0]
        tiles = slot.tiles[:size].to("cuda")

        @torch.inference_mode()
        def compute() -> None:
            with torch.cuda.stream(slot.stream):
                slot.forwards[size](tiles)
            if wait:
                slot.stream.synchronize()

        return compute

    def _launch(self, slot: _Slot, tiles: Tiles) -> None:
        bucket = next(size for size in self._buckets if size >= len(tiles))
        slot.tiles[: len(tiles)].copy_(torch.from_numpy(tiles))
        slot.tiles[len(tiles) : bucket] = 0
        with torch.cuda.stream(slot.stream):
            on_device = slot.tiles[:bucket].to("cuda", non_blocking=True)
            slot.cells[:bucket].copy_(slot.forwards[bucket](on_device), non_blocking=True)

    def _fetch(self, slot: _Slot, scored: NDArray[np.float32], start: int) -> None:
        slot.stream.synchronize()
        part = scored[start : start + self._buckets[-1]]
        part[...] = slot.cells[: len(part)].numpy()


def cuda_device() -> Device:
    """The CUDA device of this process."""
    import pynvml

    pynvml.nvmlInit()
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()
    major, minor = torch.cuda.get_device_capability()
    return Device(name=torch.cuda.get_device_name(), capability=f"{major}.{minor}", driver=driver)
