"""Scores by torch, on a CUDA device where there is one."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glass_core.checkpoint import load_model
from glass_core.engines import engine_sha
from glass_core.graph import ScoreGraph


class TorchEngine:
    """See glass_core.engines.Engine."""

    backend = "torch"

    def __init__(self, run: Path, precision: str, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        glass, info = load_model(run)
        self.precision = precision
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.weights_sha, self.definition = info.weights_sha, info.score
        self.sha = engine_sha(info.weights_sha, f"{self.backend}-{self.device}", precision, torch.__version__)
        self._network = ScoreGraph(glass).to(self.device)

    @torch.inference_mode()
    def score(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
            cells = self._network(torch.from_numpy(tiles).to(self.device))[0]  # (B, h/8, w/8)
        return cells.float().cpu().numpy()
