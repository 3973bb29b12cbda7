"""The trunk's view of the good tiles, which never changes: their mean at each position, and the rows themselves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glass_core.config import TrainConfig
from glass_core.network.model import Glass
from glass_core.synthesis.samples import Batch, TileSource
from glass_core.training.kept_rows import KeptRows

PASS_TILES = 8


class GoodFeatures:
    """Embedding rows of good tiles at their places, from one pass over them before the first iteration.

    `mean` (cells, 1536) is that over all tiles at each position in the tile; the adaptor is affine, so the centre of
    GLASS-h is its image, one product an epoch (docs/explanation/glass.md#the-centre). It is None for GLASS-m, which needs
    none. Where training shifts tiles at random (`input: tiles`) it is the mean of the tiling's own places: position in the
    tile, not on the cloth.

    Crops are never shifted, so their rows are kept in half precision as far as there is room (glass_core.training.kept_rows, in
    `folder`), and computed again beyond. All rows of crops, synthetic ones among them, are rounded to half: how much room
    there is changes no weight beyond the rounding of a batch of another size.
    """

    def __init__(
        self,
        glass: Glass,
        tiles: TileSource,
        config: TrainConfig,
        hypersphere: bool,
        folder: Path,
        report: Callable[[int], None],
    ) -> None:
        self._glass, self._config, self._fixed = glass, config, config.input == "crop"
        self._kept = KeptRows(folder)
        self.mean: Tensor | None = None
        total: Tensor | None = None
        room = self._fixed
        for places, good in tiles.good(PASS_TILES):
            if not hypersphere and not room:
                break
            rows = scored_rows(glass, good, config).unflatten(0, (len(places), -1))  # (n, cells, 1536)
            if room:
                halves = zip(places, rows.to("cpu", torch.float16), strict=True)
                room = all(self._kept.put(place, half) for place, half in halves)
            if hypersphere:
                part = rows.double().sum(dim=0)
                total = part if total is None else total + part
            report(places.stop)
        if total is not None:
            self.mean = (total / len(tiles)).float()

    def rows(self, batch: Batch, chosen: Tensor | None = None) -> Tensor:
        """Rows (N, 1536) of the scored cells of a batch's good tiles, or those (n, 1536) of the numbers `chosen` (n,) alone."""
        if not self._fixed:
            return scored_rows(self._glass, batch.normal, self._config, chosen)
        device = self._glass.discriminator.direction.device
        known = [self._kept.get(int(place)) for place in batch.places]
        missing = [number for number, half in enumerate(known) if half is None]
        if missing:
            fresh = scored_rows(self._glass, batch.normal[missing], self._config).unflatten(0, (len(missing), -1))
            for number, half in zip(missing, fresh.half(), strict=True):
                known[number] = half
        rows = torch.stack([half.to(device) for half in known if half is not None]).flatten(0, 1)
        return (rows if chosen is None else rows[chosen]).float()

    @torch.no_grad()
    def centre(self) -> Tensor | None:
        """The centre of GLASS-h for the adaptor as it is now, (cells, 1536)."""
        return None if self.mean is None else self._glass.pre_projection(self.mean)


def scored_rows(glass: Glass, tiles: NDArray[np.generic], config: TrainConfig, chosen: Tensor | None = None) -> Tensor:
    """Embedding rows (N, 1536) of the scored cells of tiles (B, t, t[, 3]), or those (n, 1536) of the numbers `chosen` (n,)
    alone; those of crops are rounded to half precision, in which good ones are kept."""
    side, device = config.tile_px // glass.cell_px, glass.discriminator.direction.device
    pixels = torch.from_numpy(tiles).to(device)
    numbers = np.arange(len(tiles) * side * side).reshape(-1, side, side)
    scored = torch.from_numpy(config.tiling.scored(numbers).flatten()).to(device)  # (N,) of all the tiles' cells
    rows = glass.features(pixels)[scored] if chosen is None else glass.features(pixels, scored[chosen])
    return rows.half().to(rows.dtype) if config.input == "crop" else rows
