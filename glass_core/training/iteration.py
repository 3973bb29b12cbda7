"""One step of both heads on a batch, and the batch norm's statistics measured anew."""

import numpy as np
import torch
from torch import Tensor

from glass_core.config import TrainConfig
from glass_core.network.model import Glass
from glass_core.synthesis.samples import Batch, TileSource
from glass_core.training.gas import Method, glass_loss, las_loss
from glass_core.training.good_features import GoodFeatures, scored_rows
from glass_core.training.training_state import Optimisers

RECALIBRATION_BATCHES = 16


def iterate(
    glass: Glass,
    optimisers: Optimisers,
    batch: Batch,
    good: GoodFeatures,
    centre: Tensor | None,
    config: TrainConfig,
    method: Method,
    seed: np.random.SeedSequence,
) -> dict[str, float]:
    """One step of both optimisers on all cells of a batch, or on those drawn; the figures to log."""
    device = glass.discriminator.direction.device
    mask = torch.from_numpy(batch.mask).to(device).reshape(-1, 1)  # (N, 1)
    generator = torch.Generator(device).manual_seed(int(seed.generate_state(1)[0]))
    chosen = changed = None
    if config.rows_per_tile is not None:
        cells = mask.reshape(len(batch.mask), -1)  # (B, cells)
        chosen = draw_rows(torch.zeros_like(cells), config.rows_per_tile, generator)  # (n,)
        changed = draw_rows(cells, config.rows_per_tile, generator)  # (n,)
        mask = mask[changed]
    las = scored_rows(glass, batch.las, config, changed)  # (n, 1536)
    heads = (glass.pre_projection, glass.discriminator)
    if _las_alone(config, method):
        loss, log = las_loss(*heads, las, mask, method.p)
    else:
        normal = good.rows(batch, chosen)  # (n, 1536)
        noise = config.noise * torch.randn(normal.shape, generator=generator, device=device)
        centres = [None if centre is None else _rows_of(centre, len(batch.mask), rows) for rows in (chosen, changed)]
        loss, log = glass_loss(*heads, normal, las, mask, noise, method, *centres)
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss.backward()
    for optimiser in optimisers:
        optimiser.step()
    values = torch.stack([value.double() for value in log.values()]).tolist()  # one way back from the device for all
    return dict(zip(log, values, strict=True))


def _rows_of(centre: Tensor, tiles: int, rows: Tensor | None) -> Tensor:
    """The centre (cells, 1536) of each row of so many tiles, image-major as they are, or of those numbered `rows`."""
    return centre.repeat(tiles, 1) if rows is None else centre[rows % len(centre)]


def _las_alone(config: TrainConfig, method: Method) -> bool:
    """Whether good rows would only move running statistics, which are measured anew: their passes are left out."""
    return not method.gas and not method.hypersphere and config.recalibrate_bn


def draw_rows(cells: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Row numbers of `count` cells of each tile (B, cells), drawn at random; changed cells come first, up to half of them.

    Neighbouring cells say nearly the same, so few of many tiles teach more than all of few; small defects are not lost.
    """
    count = min(count, cells.shape[1])
    lot = torch.rand(cells.shape, generator=generator, device=cells.device)  # (B, cells)
    rank = (lot + cells).argsort(dim=1, descending=True).argsort(dim=1)  # changed cells, in drawn order, rank first
    lot = lot + ((cells > 0.5) & (rank < count // 2)) - ((cells > 0.5) & (rank >= count // 2)).to(lot.dtype)
    rows = lot.topk(count, dim=1).indices  # (B, count)
    return (rows + torch.arange(len(cells), device=cells.device)[:, None] * cells.shape[1]).reshape(-1)


@torch.no_grad()
def recalibrate(glass: Glass, tiles: TileSource, config: TrainConfig, epoch: int) -> None:
    """Set the running statistics of the batch norm to means over many batches of good and noisy rows.

    In training they remember little more than the last batch; weights are not touched.
    See docs/explanation/glass.md#batch-norm-statistics.
    """
    glass.eval()  # products in float32, as it will score
    norm, linear = glass.discriminator.norm, glass.discriminator.linear
    momentum = norm.momentum
    norm.reset_running_stats()
    norm.momentum = None  # a plain mean over the batches
    norm.train()
    generator = torch.Generator(linear.weight.device).manual_seed(config.seed)
    for iteration in range(RECALIBRATION_BATCHES):
        good = tiles.drawn_good(epoch, iteration)
        chosen = None
        if config.rows_per_tile is not None:
            cells = torch.zeros(len(good), (config.tiling.scored_px // config.tiling.cell_px) ** 2, device=linear.weight.device)
            chosen = draw_rows(cells, config.rows_per_tile, generator)
        true = glass.pre_projection(scored_rows(glass, good, config, chosen))  # (n, 1536)
        noise = config.noise * torch.randn(true.shape, generator=generator, device=true.device)
        norm(linear(torch.cat([true, true + noise])))
    norm.momentum = momentum
