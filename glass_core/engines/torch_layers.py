"""How long each operation of the graph of inference takes where torch computes it on a processor."""

import time
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from glass_core.engines.backend import Tiles
from glass_core.engines.layers import Layer
from glass_core.engines.torch_engine import DTYPES
from glass_core.network.checkpoint import load_model
from glass_core.network.graph import ScoreGraph


class TorchPass:
    """See Profiled. Operations come in the same order in every pass; a view, which computes nothing, is none."""

    def __init__(self, source: Path, tiles: Tiles, precision: str) -> None:
        self._network = ScoreGraph(load_model(source)[0], DTYPES[precision])
        self._tiles = torch.from_numpy(tiles)
        self._layers, self._spent_ms = list[Layer](), list[float]()

    @torch.inference_mode()
    def __call__(self) -> object:
        with ModuleTracker() as modules, Operations(modules) as operations:
            scored = self._network(self._tiles)
        self._layers = operations.layers
        self._spent_ms = [a + b for a, b in zip(self._spent_ms or [0.0] * len(operations.ms), operations.ms, strict=True)]
        return scored

    def layers(self) -> list[Layer]:
        """See Profiled."""
        return self._layers

    def spent_ms(self) -> list[float]:
        """See Profiled."""
        return self._spent_ms


class Operations(TorchDispatchMode):
    """Times every operation within it; `modules` tracks in which module, and is entered before.

    It enters itself again for what an operation consists of, so that it cannot hold the tracker: whose hooks are global, and
    those of an enclosing entry would stay for ever.
    """

    def __init__(self, modules: ModuleTracker) -> None:
        super().__init__()
        self._modules, self.layers, self.ms = modules, list[Layer](), list[float]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry:
            with self:
                parts = func.decompose(*args, **kwargs)  # else conv2d would be seen, and not the convolution in it
            if parts is not NotImplemented:
                return parts
        began_s = time.perf_counter()
        out = func(*args, **kwargs)
        ms = (time.perf_counter() - began_s) * 1e3
        if not func.is_view:
            self.ms.append(ms)
            self.layers.append(self._layer(func, args, kwargs, out))
        return out

    def _layer(self, func: Any, args: Any, kwargs: Any, out: Any) -> Layer:
        read, written = _tensors((args, kwargs)), _tensors(out)
        count = flop_registry.get(func._overloadpacket)
        within = max(self._modules.parents - {"Global"}, key=len, default="").partition(".")[2]
        return Layer(
            module=within or "head",
            operations=(func._overloadpacket.__name__.strip("_"),),
            output=tuple(written[0].shape) if written else (),
            precision=str(read[0].dtype).removeprefix("torch.") if read else "",
            gmac=count(*args, **kwargs, out_val=out) / 2e9 if count else 0.0,
            moved_bytes=sum(tensor.numel() * tensor.element_size() for tensor in (*read, *written)),
        )


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
