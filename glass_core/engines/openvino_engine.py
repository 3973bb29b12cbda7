"""Scores by OpenVINO on the CPU, converted straight from the torch network."""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glass_core.checkpoint import load_model
from glass_core.engines import engine_sha
from glass_core.graph import ScoreGraph

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else importing it reports to Intel's server
import openvino as ov  # noqa: E402


class OpenVinoEngine:
    """See glass_core.engines.Engine; a network is compiled for each size and colour of tiles, when they first come."""

    backend = "openvino"
    device = "cpu"

    def __init__(self, run: Path, precision: str, threads: int | None) -> None:
        glass, info = load_model(run)
        self.precision = precision
        self.weights_sha, self.definition = info.weights_sha, info.score
        self.sha = engine_sha(info.weights_sha, self.backend, precision, ov.__version__)
        self._network = ScoreGraph(glass)
        self._compiled: dict[tuple[int, ...], ov.CompiledModel] = {}
        self._settings: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        }
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads

    def score(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        shape = tiles.shape[1:]
        if shape not in self._compiled:
            self._compiled[shape] = self._compile(shape)
        return np.array(self._compiled[shape](tiles)[0], dtype=np.float32)  # (B, h/8, w/8), our own memory

    def _compile(self, shape: tuple[int, ...]) -> ov.CompiledModel:
        with warnings.catch_warnings():  # tracing warns of itself, and of shapes that are meant to be fixed
            warnings.simplefilter("ignore")
            example = torch.zeros((2, *shape), dtype=torch.uint8)
            model = ov.convert_model(self._network, example_input=example, input=ov.PartialShape([-1, *shape]))
        return ov.Core().compile_model(model, "CPU", self._settings)
