"""Scores by torch: eager on a CPU, compiled by inductor for half precision on a CUDA device. Its file is the run's own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glass_core.engines.backend import Device, Runner, Tiles
from glass_core.network.checkpoint import MODEL_FILE, load_model
from glass_core.network.graph import ScoreGraph

_ON_GPU = torch.cuda.is_available()
BUCKETS = (1, 4, 8, 16, 32) if _ON_GPU else (1, 4)
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def version() -> str:
    """See Backend."""
    return torch.__version__


def device() -> Device:
    """See Backend."""
    if _ON_GPU:
        from glass_core.engines.staging import cuda_device

        return cuda_device()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Device(name=next(iter(names), "CPU"), capability=torch.backends.cpu.get_cpu_capability())


def precisions() -> tuple[str, ...]:
    """See Backend."""
    return tuple(DTYPES) if _ON_GPU else ("fp32", "bf16")


def prepare(run: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
    """See Backend."""
    if threads is not None:
        torch.set_num_threads(threads)
    network = ScoreGraph(load_model(run)[0], DTYPES[precision])
    if _ON_GPU:
        return _on_gpu(network, shape, precision)

    @torch.inference_mode()
    def score(tiles: Tiles) -> NDArray[np.float32]:
        return network(torch.from_numpy(tiles))[0].numpy()  # (B, h/c, w/c)

    return score


def write(run: Path, examples: Tiles, precision: str, out: Path) -> Sequence[str]:
    """See Backend. A bundle holds the run's weights in any case."""
    return (MODEL_FILE,)


def read(folder: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
    """See Backend."""
    return prepare(folder, shape, precision, threads)


def _on_gpu(network: ScoreGraph, shape: tuple[int, ...], precision: str) -> Runner:
    from glass_core.engines.staging import Staged

    torch.backends.cudnn.allow_tf32 = False  # fp32 is to mean fp32
    cells = (shape[0] // network.cell_px, shape[1] // network.cell_px)
    forward = network.cuda()
    if precision != "fp32":
        forward = torch.compile(forward, dynamic=False)  # type: ignore[assignment]
    return Staged(lambda bucket, slot: lambda tiles: forward(tiles)[0], shape, cells, BUCKETS)
