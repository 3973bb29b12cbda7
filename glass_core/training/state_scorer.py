"""Scores as the network of a training that is not finished, from the state that its last finished epoch has left."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glass_core.config import TrainConfig
from glass_core.network.checkpoint import read_tensors
from glass_core.network.graph import ScoreGraph
from glass_core.training.beginning import untrained
from glass_core.training.training_state import AVERAGE


class StateScorer:
    """See scoring.Scorer. A network of its own, so that the one in training is not touched.

    Raises InputError for a trunk's weights that cannot be used, MissingError without them.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._glass = untrained(config, self._device)[0].eval()
        self._graph = ScoreGraph(self._glass)

    def take_up(self, state: Path) -> None:
        """Scores from now on with the heads in the file `state`. Raises InputError when it is absent or damaged."""
        tensors, _ = read_tensors(state)
        heads = {
            key.removeprefix(AVERAGE): torch.from_numpy(value) for key, value in tensors.items() if key.startswith(AVERAGE)
        }
        self._glass.load_state_dict(heads, strict=False)  # the trunk is never in a state
        self._graph = ScoreGraph(self._glass)

    @torch.inference_mode()
    def score(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See scoring.Scorer."""
        return self._graph(torch.from_numpy(tiles).to(self._device))[0].cpu().numpy()  # (B, h/c, w/c)
