"""Scores by TensorRT on an NVIDIA GPU: one engine a batch size, built by torch-tensorrt, kept as TensorRT's own bytes.

torch-tensorrt's caches are not used: their keys know neither weights nor device, and they hold pickles.
"""

from collections.abc import Sequence
from pathlib import Path

import tensorrt as trt
import torch
from torch import Tensor

from glass_core.engines.backend import Device, Runner, Tiles
from glass_core.engines.staging import Forward, Staged, cuda_device
from glass_core.errors import InputError, MissingError
from glass_core.network.checkpoint import load_model
from glass_core.network.graph import ScoreGraph

BUCKETS = (1, 4, 8, 16, 32)
DTYPES = {"fp16": torch.float16, "fp32": torch.float32}
SETTINGS = {"min_block_size": 1, "require_full_compilation": True, "disable_tf32": True}
"""For torch-tensorrt. The precision is that of the network's tensors: TensorRT takes types as they are written."""
_LOG = trt.Logger(trt.Logger.ERROR)

if not torch.cuda.is_available():
    raise RuntimeError("no CUDA device")


def version() -> str:
    """See Backend."""
    return f"{trt.__version__}, torch {torch.__version__}"


def device() -> Device:
    """See Backend."""
    return cuda_device()


def precisions() -> tuple[str, ...]:
    """See Backend."""
    return tuple(DTYPES)


def prepare(run: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
    """See Backend."""
    raise InputError(f"a TensorRT engine takes minutes to build, {run}, build it ahead: `glassline compile {run}`")


def write(run: Path, examples: Tiles, precision: str, out: Path) -> Sequence[str]:
    """See Backend."""
    import torch_tensorrt

    network = ScoreGraph(load_model(run)[0], DTYPES[precision]).cuda()
    for bucket in BUCKETS:
        tiles = torch.zeros((bucket, *examples.shape[1:]), dtype=torch.uint8, device="cuda")
        exported = torch.export.export(network, (tiles,), strict=False)
        try:
            engine = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine(
                exported, arg_inputs=(tiles,), **SETTINGS
            )
        except torch.cuda.OutOfMemoryError:
            raise MissingError(f"too little GPU memory for batches of {bucket}, {device()}, free some of it") from None
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise InputError(f"TensorRT builds no engine ({reason}), batches of {bucket}, use another precision") from error
        (out / _file(bucket)).write_bytes(engine)
    return [_file(bucket) for bucket in BUCKETS]


def read(folder: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
    """See Backend."""
    runtime = trt.Runtime(_LOG)
    engines = {bucket: runtime.deserialize_cuda_engine((folder / _file(bucket)).read_bytes()) for bucket in BUCKETS}
    for bucket, engine in engines.items():
        if engine is None:
            raise InputError(f"TensorRT refuses the engine, {folder / _file(bucket)}, compile the bundle again here")
    smallest = engines[BUCKETS[0]]
    shapes = [tuple(smallest.get_tensor_shape(smallest.get_tensor_name(n))) for n in range(smallest.num_io_tensors)]
    cells = next(given[1:] for given in shapes if len(given) == 3 and given[1:] != shape)
    return Staged(lambda bucket, slot: _forward(engines[bucket]), shape, cells, BUCKETS)


def _forward(engine: "trt.ICudaEngine") -> Forward:
    """One execution context with outputs of its own; contexts are not shared between streams."""
    context = engine.create_execution_context()
    if context is None:
        raise MissingError(f"too little GPU memory for an engine, {device()}, free some of it")
    names = [engine.get_tensor_name(n) for n in range(engine.num_io_tensors)]
    source = next(name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
    outputs = {
        name: torch.empty(tuple(engine.get_tensor_shape(name)), device="cuda") for name in names if name != source
    }  # all float32
    for name, output in outputs.items():
        context.set_tensor_address(name, output.data_ptr())
    cells = next(output for output in outputs.values() if output.dim() == 3)  # (bucket, h/c, w/c)

    def forward(tiles: Tensor) -> Tensor:
        context.set_tensor_address(source, tiles.data_ptr())
        if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError("TensorRT could not run the engine")
        return cells

    return forward


def _file(bucket: int) -> str:
    return f"engine-{bucket}.trt"
