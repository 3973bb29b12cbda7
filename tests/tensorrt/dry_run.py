"""Takes exported graphs through torch-tensorrt's lowering, converter registry and partitioner, without TensorRT and a GPU.

    python tests/tensorrt/dry_run.py WHEEL_FOLDER ARCH|control

Run in a process of its own: modules of the names `tensorrt` and parts of torch.cuda are stand-ins here. They answer only what
torch-tensorrt asks at import; converters are looked up and checked for real, but none is run, and no engine is built. Prints
one JSON object for each batch size.
"""

import importlib.machinery
import json
import os
import sys
import types
from typing import Any

import torch
from torch import Tensor, nn

SIDE_PX = 64
BUCKETS = (1, 4, 8, 16, 32)


class Name(type):
    """A class of any name, with any attribute: types and enums of TensorRT that annotations and tables mention."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(cls, name, type.__call__(Name, name, (), {}))
        return cls.__dict__[name]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Functions are such classes too; none of their results is used."""
        return cls


class StandIn(types.ModuleType):
    """The module `tensorrt`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "tensorrt_rtx":
            raise AttributeError(name)
        setattr(self, name, type.__call__(Name, name, (), {}))
        return self.__dict__[name]


def import_torch_tensorrt(folder: str) -> Any:
    """The real torch_tensorrt of that folder, over a TensorRT that is none."""
    stand_in: Any = StandIn("tensorrt")
    stand_in.__version__ = "11.0.0"
    stand_in.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)
    stand_in.__path__, stand_in.__file__, stand_in.tensorrt = [], "tensorrt.py", stand_in
    sys.modules["tensorrt"] = stand_in
    sys.path.append(folder)
    isfile = os.path.isfile  # its own C++ library needs TensorRT's: it shall believe that it has none
    os.path.isfile = lambda path: "libtorchtrt" not in str(path) and isfile(path)
    torch.cuda.get_device_capability = lambda device=None: (9, 0)
    torch.cuda.current_device = lambda: 0
    torch.cuda.mem_get_info = lambda device=None: (1 << 36, 1 << 36)
    if not hasattr(torch._C, "_CudaDeviceProperties"):
        torch._C._CudaDeviceProperties = object  # type: ignore[misc, assignment]
    import torch_tensorrt

    return torch_tensorrt


class Control(nn.Module):
    """A graph with an operator in its middle that TensorRT does not have."""

    def forward(self, tiles: Tensor) -> Tensor:
        """Of tiles (B, h, w)."""
        return (torch.special.erfcx(tiles.float() + 1) * 2).relu()


def network(name: str) -> nn.Module:
    """The graph of an architecture, or ARCH/SHRINK/LEVELS, with all its outputs, in half precision, weights at random."""
    from glass_core.network.graph import ScoreGraph
    from glass_core.network.model import Glass

    if name == "control":
        return Control()
    arch, shrink, levels = [*name.split("/"), *("1", "23")[name.count("/") :]]
    glass = Glass(arch, int(shrink), tuple(int(level) for level in levels)).eval()
    glass.init_heads(torch.Generator().manual_seed(0))
    return ScoreGraph(glass, torch.float16, map_px=(SIDE_PX, SIDE_PX))


def main(folder: str, name: str) -> None:
    """One line for each bucket."""
    import_torch_tensorrt(folder)
    from torch_tensorrt.dynamo import _compiler

    reports: list[Any] = []
    _compiler.dryrun_stats_display = lambda tracker, enabled: reports.append(tracker)
    _compiler.to_torch_device = lambda device: torch.device("cpu")  # where a part would be put that is left to torch
    module = network(name)
    for bucket in BUCKETS:
        tiles = torch.zeros((bucket, SIDE_PX, SIDE_PX), dtype=torch.uint8)
        exported = torch.export.export(module, (tiles,), strict=False)
        _compiler.compile(exported, arg_inputs=(tiles,), dryrun=True, min_block_size=1, disable_tf32=True)
        report = reports.pop()
        facts = {
            "bucket": bucket,
            "operators": report.total_ops_in_graph,
            "supported": report.supported_ops_in_graph,
            "segments": report.tensorrt_graph_count,
            "unsupported": sorted(map(str, report.unsupported_ops)),
            "in_torch": [str(node) for node in report.to_run_in_torch],
        }
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
