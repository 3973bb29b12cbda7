"""What this machine has of the libraries that engines need; each raises what its import raises where it is absent."""

import importlib
import sys
from importlib.metadata import version


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


def int8_library() -> str:
    """The version of nncf, by which int8 engines are compiled."""
    return version("nncf")
