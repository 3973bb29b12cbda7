"""What scores tiles on this machine; importing this imports no torch, loading an engine does."""

import hashlib
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from glass_core.checkpoint import read_info
from glass_core.errors import MissingError
from glass_core.scoring import ScoreDefinition

Backend = Literal["auto", "torch", "openvino"]
Precision = Literal["auto", "fp32", "bf16"]


class Engine(Protocol):
    """One model made ready on one backend; `sha` changes with all that may change a score."""

    sha: str
    weights_sha: str
    definition: ScoreDefinition
    backend: str
    precision: str
    device: str

    def score(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw cell scores (B, h/8, w/8) in (0, 1) of tiles (B, h, w) mono or (B, h, w, 3) RGB."""
        ...


def load_engine(run: Path, backend: Backend = "auto", precision: Precision = "auto", threads: int | None = None) -> Engine:
    """The engine for a run's model. "auto": torch on a CUDA device, else OpenVINO if it can be had, else torch; fp32.

    bf16 is never chosen by itself: it moves scores by up to a few hundredths, and a threshold card with them. `threads`
    limits the CPU threads (None: the backend's choice). Raises InputError for a run without a sound model, MissingError
    when OpenVINO is asked for and absent.
    """
    read_info(run)  # the cheap refusal first
    chosen = "fp32" if precision == "auto" else precision
    if backend != "torch" and not (backend == "auto" and _cuda()):
        try:
            from glass_core.engines.openvino_engine import OpenVinoEngine
        except Exception as error:  # a broken installation raises more than ImportError
            if backend == "openvino":
                advice = "pip install openvino, or use backend torch"
                raise MissingError(f"OpenVINO is not usable ({error}), this machine, {advice}") from error
        else:
            return OpenVinoEngine(run, chosen, threads)
    from glass_core.engines.torch_engine import TorchEngine

    return TorchEngine(run, chosen, threads)


def engine_sha(weights_sha: str, backend: str, precision: str, version: str) -> str:
    """sha256 over what decides an engine's scores."""
    return hashlib.sha256(f"{weights_sha}|{backend}|{precision}|{version}".encode()).hexdigest()


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
