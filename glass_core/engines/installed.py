"""What this machine has of the libraries that engines need; each raises what its import raises where it is absent."""

import importlib
import sys
import warnings
from types import ModuleType

from glass_core.engines.backend import backend
from glass_core.errors import MissingError


def torch_library() -> tuple[str, bool]:
    """torch's version, and whether CUDA is usable."""
    import torch

    return torch.__version__, torch.cuda.is_available()


def openvino_library() -> tuple[str, list[str]]:
    """OpenVINO's version, and the devices that it sees."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else importing it reports to Intel's server
    import openvino

    return openvino.__version__, openvino.Core().available_devices


def tensorrt_library() -> str:
    """torch-tensorrt's version."""
    return str(importlib.import_module("torch_tensorrt").__version__)


def nncf_library() -> ModuleType:
    """nncf, by which OpenVINO's int8 engines are compiled. Raises MissingError where it is not usable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("nncf")
    except Exception as error:  # a broken installation raises more than ImportError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingError(f"nncf is not usable ({reason}), this machine, pip install 'glassline[int8]'") from error


def without_int8() -> str:
    """Why no int8 engine can be compiled on this machine; empty where one can."""
    try:
        nncf_library()
        computes = "int8" in backend("openvino").precisions()
    except MissingError as error:
        return str(error)
    return "" if computes else "OpenVINO does not compute in int8 on this processor"
