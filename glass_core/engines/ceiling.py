"""What this machine can do at most: matrix products in each precision, and bytes copied to where it computes.

Both are calls to be timed in turn with the work that is held against them, so that a moment's load falls on both.
"""

from collections.abc import Callable

import numpy as np
import torch

_MATMUL_SIDE = {"cpu": 1536, "cuda": 8192}
_COPY_BYTES = 64 << 20
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def product(backend: str, precision: str) -> tuple[Callable[[], object], float]:
    """One large product of square matrices by the library that the backend computes with, and its multiply-adds in 1e9."""
    device = "cuda" if torch.cuda.is_available() and backend != "openvino" else "cpu"
    side = _MATMUL_SIDE[device]
    return _openvino(precision, side) if backend == "openvino" else _torch(precision, side, device), side**3 / 1e9


def copy() -> tuple[Callable[[], object], float]:
    """One copy from this process's memory to where tiles are computed (a GPU's memory, else another place here), and its
    bytes in 1e9."""
    there = "cuda" if torch.cuda.is_available() else "cpu"
    source = torch.ones(_COPY_BYTES, dtype=torch.uint8)
    source = source.pin_memory() if there == "cuda" else source
    target = torch.empty(_COPY_BYTES, dtype=torch.uint8, device=there)

    def call() -> None:
        target.copy_(source, non_blocking=True)
        if there == "cuda":
            torch.cuda.synchronize()

    return call, _COPY_BYTES / 1e9


def _torch(precision: str, side: int, device: str) -> Callable[[], object]:
    if precision == "int8":
        a = torch.ones(side, side, dtype=torch.int8, device=device)
        product = lambda: torch._int_mm(a, a)  # noqa: E731
    else:
        x = torch.ones(side, side, dtype=_DTYPES[precision], device=device)
        product = lambda: x @ x  # noqa: E731

    @torch.inference_mode()
    def call() -> None:
        product()
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def _openvino(precision: str, side: int) -> Callable[[], object]:
    """Weights are constant, as an engine's are; int8 as nncf writes it, both sides quantised."""
    from glass_core.engines import openvino_engine
    from glass_core.engines.openvino_engine import ov

    op = ov.opset13
    left = op.parameter([side, side], np.float32)
    right = op.constant(np.random.default_rng(0).uniform(-1, 1, (side, side)).astype(np.float32))
    a, b = left, right
    if precision == "int8":
        low, high = op.constant(np.float32(-1)), op.constant(np.float32(1))
        a = op.fake_quantize(left, low, high, low, high, 256)
        b = op.fake_quantize(right, low, high, low, high, 255)
    sums = op.reduce_sum(op.matmul(a, b, False, True), op.constant(np.array([1])), False)  # little comes back
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": openvino_engine.HINTS[precision]}
    compiled = ov.Core().compile_model(ov.Model([sums], [left]), "CPU", settings)
    tensor = np.random.default_rng(1).uniform(-1, 1, (side, side)).astype(np.float32)
    return lambda: compiled(tensor, share_inputs=True)
