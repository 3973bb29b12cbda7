"""What a pass through an engine is made of, layer by layer."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from glass_core.engines.backend import Tiles, backend
from glass_core.errors import InputError

CALLS = 3
MIN_MS = 0.001
"""What takes less than a microsecond computes nothing: a change of shape, or what was worked out ahead."""


@dataclass(frozen=True)
class Layer:
    """One kernel of a pass over a batch, in the order of computing."""

    module: str
    """Where in the graph of inference it belongs; "head" is what lies between the trunk's levels and the scores."""
    operations: tuple[str, ...]
    """What the kernel holds, several where they are fused."""
    output: tuple[int, ...]
    """The shape that it writes, with the batch; empty where it is not told."""
    precision: str
    """Of what it reads: f32, u8 and so on."""
    gmac: float
    """Multiply-adds of its convolutions and products in 1e9."""
    moved_bytes: int
    """What it reads and writes, each tensor once: weights too, sums that a fused kernel keeps to itself not."""


class Profiled(Protocol):
    """A pass over one batch whose layers are timed."""

    def __call__(self) -> object:
        """One pass."""
        ...

    def layers(self) -> list[Layer]:
        """After one pass at least."""
        ...

    def spent_ms(self) -> list[float]:
        """By all passes until now in each of the layers."""
        ...


@dataclass(frozen=True)
class MeanPass:
    """The mean pass of those that were profiled: its layers, the time in each, and the time of the whole."""

    layers: list[Layer]
    layer_ms: list[float]
    whole_ms: float

    @property
    def outside_ms(self) -> float:
        """What no layer is charged with: copies in and out, handing over from one layer to the next, reading the clock."""
        return self.whole_ms - sum(self.layer_ms)


def profiled(name: str, source: Path, tiles: Tiles, precision: str) -> Profiled:
    """A profiled pass over `tiles` of the engine whose files, or whose run, lie in the folder `source`.

    Raises InputError for an engine that does not tell the time of its layers.
    """
    if name == "tensorrt" or backend(name).device().kind != "cpu":
        raise InputError(f"no times by layer from {name} on a GPU, the backend, use --backend openvino")
    if name == "openvino":
        from glass_core.engines.openvino_layers import OpenVinoPass

        return OpenVinoPass(source, tiles, precision)
    from glass_core.engines.torch_layers import TorchPass

    return TorchPass(source, tiles, precision)


def mean_pass(profiled: Profiled, seconds: float) -> MeanPass:
    """After a warm-up, calls until `seconds` are over, CALLS at least."""
    profiled()
    before_ms, calls, began_s = profiled.spent_ms(), 0, time.perf_counter()
    while calls < CALLS or time.perf_counter() - began_s < seconds:
        profiled()
        calls += 1
    whole_ms = (time.perf_counter() - began_s) * 1e3 / calls
    spent_ms = [(after - before) / calls for before, after in zip(before_ms, profiled.spent_ms(), strict=True)]
    told = [(layer, ms) for layer, ms in zip(profiled.layers(), spent_ms, strict=True) if ms >= MIN_MS]
    return MeanPass([layer for layer, _ in told], [ms for _, ms in told], whole_ms)
