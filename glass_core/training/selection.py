"""How well a half-trained model tells held-out good tiles from synthetic defects: what an epoch is selected by."""

import numpy as np
import torch
from numpy.typing import NDArray

from glass_core.evaluation.metrics import image_figures
from glass_core.network.checkpoint import EpochFigures
from glass_core.network.graph import ScoreGraph
from glass_core.network.model import Glass
from glass_core.synthesis.samples import TileSource

TILES = 96
BATCH = 16


@torch.no_grad()
def held_out(glass: Glass, tiles: TileSource) -> dict[str, float]:
    """Figures of tiles that training never saw, by their highest cell; none of them has a real defect.

    `selection_good_q99` of the good ones, and `selection_auroc` of the good ones against at least TILES synthetic defects,
    always the same. Empty without tiles.
    """
    if not len(tiles):
        return {}
    graph = ScoreGraph(glass.eval())
    places = np.unique(np.linspace(0, len(tiles) - 1, TILES).astype(int))
    repeats = range(-(-TILES // len(places)))
    drawn = [(int(place), number) for place in places for number in repeats]
    good, defective = list[float](), list[float]()
    for start in range(0, len(drawn), BATCH):  # many large tiles at once would fill the memory
        batches = [(number, tiles.fixed(place, number)) for place, number in drawn[start : start + BATCH]]
        good += _highest(graph, tiles, [batch.normal for number, batch in batches if number == 0])
        defective += _highest(graph, tiles, [batch.las for _, batch in batches])
    auroc = image_figures(np.array(good), np.array(defective)).auroc
    assert auroc is not None
    return {"selection_good_q99": float(np.quantile(good, 0.99)), "selection_auroc": auroc}


def best(curve: list[EpochFigures]) -> EpochFigures | None:
    """The epoch with the highest AUROC, the first of equals; None when no epoch has one."""
    rated = [figures for figures in curve if figures.selection_auroc is not None]
    return max(rated, key=lambda figures: figures.selection_auroc or 0.0, default=None)


def _highest(graph: ScoreGraph, source: TileSource, tiles: list[NDArray[np.generic]]) -> list[float]:
    """Of each of a batch of tiles (1, t, t[, 3]), its highest cell."""
    if not tiles:
        return []
    batch = torch.from_numpy(np.concatenate(tiles)).to(graph.get_buffer("bias").device)
    cells = source.tiling.scored(graph(batch)[0].double().cpu().numpy())  # (B, s, s)
    return list(cells.max(axis=(1, 2)))
