"""What a backend is: a module that makes a trained network ready, at once or as files of a bundle."""

import ctypes
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from glass_core.errors import InputError, MissingError

BackendName = Literal["torch", "openvino", "tensorrt"]
PrecisionName = Literal["fp32", "fp16", "bf16", "int8"]
Tiles = NDArray[np.uint8]
"""(B, h, w) mono or (B, h, w, 3) RGB."""
Runner = Callable[[Tiles], NDArray[np.float32]]
"""Raw cell scores (B, h/c, w/c) of tiles of one shape, in memory that stays the caller's."""


@runtime_checkable
class Exportable(Protocol):
    """A runner that took long to prepare and need not be prepared again."""

    def export(self, out: Path) -> Sequence[str]:
        """Leaves files in the folder `out`, of which `read` makes the very same runner; their names."""
        ...


_MODULES = {name: f"glass_core.engines.{name}_engine" for name in ("torch", "openvino", "tensorrt")}
_REMEDIES = {
    "torch": "pip install torch",
    "openvino": "pip install openvino",
    "tensorrt": "pip install 'glassline[tensorrt]' on a machine with an NVIDIA GPU",
}


class Device(BaseModel):
    """What an engine runs on: on another one its scores may differ, or it may not run at all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    capability: str
    """CUDA's compute capability, or the number formats that the processor computes in."""
    driver: str = ""
    """Of a CUDA device."""

    @property
    def kind(self) -> str:
        """cuda or cpu."""
        return "cuda" if self.driver else "cpu"

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.name, self.capability, self.driver and f"driver {self.driver}")))


class Backend(Protocol):
    """The functions of a backend's module."""

    @property
    def BUCKETS(self) -> tuple[int, ...]:
        """The batch sizes that engines are made and proven for, ascending."""
        ...

    def version(self) -> str:
        """Of the library."""
        ...

    def device(self) -> Device:
        """Where engines of this backend run on this machine."""
        ...

    def precisions(self) -> tuple[str, ...]:
        """Those that it has on this machine."""
        ...

    def prepare(self, run: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
        """Straight from a run's model, for tiles of `shape` (h, w) or (h, w, 3). Raises InputError where it cannot be."""
        ...

    def write(self, run: Path, examples: Tiles, precision: str, out: Path) -> Sequence[str]:
        """Makes the engine of a run's model for tiles like `examples` (N, h, w[, 3]), which also set the ranges of int8;
        writes its files into the folder `out` and returns their names."""
        ...

    def read(self, folder: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
        """From the files that `write` left."""
        ...


def backend(name: str) -> Backend:
    """The backend of that name. Raises MissingError where its library is not usable."""
    try:
        return cast(Backend, importlib.import_module(_MODULES[name]))
    except Exception as error:  # a broken installation raises more than ImportError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingError(f"backend {name} is not usable ({reason}), this machine, {_REMEDIES[name]}") from error


def choose(asked: str, built_ahead: bool) -> tuple[str, str]:
    """The name of the backend to use, and why. Raises MissingError when none is usable.

    "auto": on a CUDA device TensorRT where engines are built ahead (`glassline compile`), and torch where they are not;
    else OpenVINO; torch where that is absent.
    """
    if asked != "auto":
        return asked, "as asked"
    reasons = []
    gpu = _cuda_name()
    order = [("tensorrt", f"{gpu} is there")] * built_ahead + [("torch", f"{gpu} is there")] if gpu else []
    order += [("openvino", "no CUDA device"), ("torch", "neither a CUDA device nor OpenVINO")]
    for name, why in order:
        try:
            backend(name)
        except MissingError as error:
            reasons.append(str(error))
            continue
        return name, "; ".join([why, *reasons])
    raise MissingError(reasons[0])


def check_precision(name: str, precision: str) -> None:
    """Raises InputError when the backend has no such precision on this machine."""
    known = backend(name).precisions()
    if precision not in known:
        raise InputError(f"backend {name} has no {precision} here, the precision, use one of {', '.join(known)}")


def _cuda_name() -> str:
    """The name of the CUDA device; empty without torch or without a device."""
    try:
        ctypes.CDLL("libcuda.so.1")  # without the driver there is no device, and torch takes seconds to say so
        import torch
    except Exception:
        return ""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
