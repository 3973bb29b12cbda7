"""Trains GLASS from good pictures alone (glass.md 2, 3 and 6), resumable after any finished epoch."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.network.backbone import ResNet, load_trunk
from glass_core.network.checkpoint import EpochFigures, ModelInfo, WeightsOrigin, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.network.weights import load_weights
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import Split, split
from glass_core.synthesis.repeat_length import repeat_length
from glass_core.synthesis.samples import Batch, TileSource
from glass_core.synthesis.texture import find_textures
from glass_core.training.ahead import THREADS, ahead
from glass_core.training.averaging import WeightAverage
from glass_core.training.freed_memory import keep_freed_memory
from glass_core.training.gas import Method, glass_loss, las_loss
from glass_core.training.good_features import GoodFeatures, scored_rows
from glass_core.training.judge import Judgement, average_picture, judge, write_judgement
from glass_core.training.selection import best, held_out
from glass_core.training.training_state import STATE_FILE, Optimisers, heads_of, identity, resume, save_state

RECALIBRATION_BATCHES = 16
REPEAT_PICTURES = 4
JUDGE_PICTURE = "judge.png"


@dataclass(frozen=True)
class Step:
    """Where training is, for the caller's display: iterations done of all, the figures of the latest."""

    done: int
    total: int
    epoch: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Start:
    """What training begins with, for the caller to say."""

    weights: WeightsOrigin | None
    textures: str
    device: str
    split: Split
    card_scores: int
    """Scores that the pictures put aside for a card will give: one for each lane of each."""
    tiles: int
    resumed_epochs: int
    hypersphere: bool
    judgement: Judgement | None
    repeat_px: tuple[int | None, int | None]
    """Of the pattern, along and across the web; none where none is clear, nor for crops."""


@dataclass(frozen=True)
class FeaturePass:
    """How many good tiles the pass before the first iteration has seen, of all."""

    done: int
    total: int


Report = Callable[[Start | FeaturePass | Step | EpochFigures], None]


def train(images: Sequence[Path], config: TrainConfig, out: Path, report: Report) -> Path:
    """Fit adaptor and discriminator on good `images`, and leave a model in the folder `out`, which is returned.

    The model is the epoch that tells synthetic defects in held-out good tiles apart best, or the last one (`select`); the
    state keeps the heads of both.
    A state left there by the same config and pictures is taken up after its last finished epoch, and the weights come out
    as without the interruption; meanwhile `epochs` may have grown, and `select` changed. In GLASS-j the judge's picture is
    left in `out`, too. Raises InputError for pictures or a state that cannot be used and for a training that diverges,
    MissingError without the trunk's weights. The process keeps what memory it has had (freed_memory).
    """
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.allow_tf32 = False  # held-out tiles are scored in float32, as engines score
    parts = split(images, config.split, config.seed)
    textures = find_textures(config.textures)
    tiles = TileSource([image.path for image in parts.train], config, textures)
    selection = TileSource([image.path for image in parts.selection], config, textures, tiles.room)
    card_scores = _card_scores(parts, config)  # a damaged picture is better known before hours are spent
    glass, origin = untrained(config, device)
    optimisers = optimisers_of(glass, config)
    average = average_picture(read_image(image.path) for image in parts.train) if config.distribution == "j" else None
    judgement = None if average is None else judge(average)
    hypersphere = config.distribution == "h" if judgement is None else judgement.hypersphere
    method = method_of(config, hypersphere)
    same = identity(config, parts, textures.name, origin)
    averaged = WeightAverage(glass, config.averaging)
    curve, selected = resume(out / STATE_FILE, glass, averaged.glass, optimisers, same)
    if len(curve) > config.epochs:
        raise InputError(f"{len(curve)} epochs are done, {out}, ask for as many at least or choose another --out")
    repeat_px = _repeat_px(parts, config)
    report(
        Start(origin, textures.name, str(device), parts, card_scores, len(tiles), len(curve), hypersphere, judgement, repeat_px)
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        parts.save(out)
        if judgement is not None and average is not None:
            write_judgement(out / JUDGE_PICTURE, average, judgement)
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror}), {out}, choose another --out") from error

    if curve and len(curve) == config.epochs and len(curve) % config.evaluate_every:
        # It was to be longer: then this epoch, which is the last now, may not have been evaluated.
        curve[-1] = curve[-1].model_copy(update=_evaluate(averaged.glass, tiles, selection, config, len(curve)))
        if best(curve) in (None, curve[-1]):
            selected = heads_of(averaged.glass)
        save_state(out / STATE_FILE, glass, averaged.glass, optimisers, same, curve, selected)

    per_epoch = tiles.iterations
    good = None
    for epoch in range(len(curve), config.epochs):
        glass.train()  # good rows are computed as those of the batches
        if good is None:
            good = GoodFeatures(glass, tiles, config, hypersphere, out, lambda done: report(FeaturePass(done, len(tiles))))
        centre = good.centre()  # of the adaptor as it is now, for the whole epoch
        logs = []
        with ThreadPoolExecutor(THREADS) as pool:
            for iteration, batch in enumerate(ahead(pool, partial(tiles.draw, epoch), range(per_epoch))):
                seed = np.random.SeedSequence((config.seed, epoch, iteration))
                log = iterate(glass, optimisers, batch, good, centre, config, method, seed)
                _refuse_diverged([log["loss"]], epoch, config)
                done = epoch * per_epoch + iteration + 1
                averaged.update(done)
                report(Step(done, config.epochs * per_epoch, epoch + 1, log))
                logs.append(log)
        shown: list[str] = [name for name in ("loss", "p_true", "p_fake", "clamped") if name in logs[0]]
        figures = {name: float(np.nanmean([log[name] for log in logs])) for name in shown}
        _refuse_diverged([*heads_of(glass).values(), *heads_of(averaged.glass).values()], epoch, config)
        if epoch + 1 == config.epochs or (epoch + 1) % config.evaluate_every == 0:
            figures |= _evaluate(averaged.glass, tiles, selection, config, epoch + 1)
        curve.append(EpochFigures(epoch=epoch + 1, **figures))
        if best(curve) in (None, curve[-1]):
            selected = heads_of(averaged.glass)
        save_state(out / STATE_FILE, glass, averaged.glass, optimisers, same, curve, selected)
        report(curve[-1])

    chosen = None if config.select == "last" else best(curve)
    tensors = tensors_of(glass) | (selected if chosen else heads_of(averaged.glass))
    info = ModelInfo(
        arch=config.backbone,
        levels=config.levels,
        weights_sha=weights_sha(tensors),
        score=ScoreDefinition(tiling=config.tiling, inspect_x_px=config.inspect_x_px),
        config=config,
        split_digest=parts.digest,
        weights=origin,
        textures=textures.name,
        curve=tuple(curve),
        selected_epoch=chosen.epoch if chosen else len(curve),
        distribution="h" if hypersphere else "m",
        versions={"torch": torch.__version__, "numpy": np.__version__},
    )
    save_model(out, tensors, info)
    return out


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
        chosen = _draw_rows(torch.zeros_like(cells), config.rows_per_tile, generator)  # (n,)
        changed = _draw_rows(cells, config.rows_per_tile, generator)  # (n,)
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


def _evaluate(glass: Glass, tiles: TileSource, selection: TileSource, config: TrainConfig, epoch: int) -> dict[str, float]:
    """Figures of held-out tiles after so many epochs, with the batch norm recalibrated; the same each time."""
    if config.recalibrate_bn:
        _recalibrate(glass, tiles, config, epoch)
    figures = held_out(glass, selection)
    _refuse_diverged([*heads_of(glass).values(), figures.get("selection_good_q99", 0.0)], epoch - 1, config)
    return figures


def _refuse_diverged(values: Iterable[ArrayLike], epoch: int, config: TrainConfig) -> None:
    """Before anything of it is saved; epochs count from 0."""
    if not all(np.isfinite(value).all() for value in values):
        advice = f"give a smaller lr than {config.lr:g}" + (" and another --out" if epoch else "")
        raise InputError(f"training diverged, epoch {epoch + 1}, {advice}")


def _rows_of(centre: Tensor, tiles: int, rows: Tensor | None) -> Tensor:
    """The centre (cells, 1536) of each row of so many tiles, image-major as they are, or of those numbered `rows`."""
    return centre.repeat(tiles, 1) if rows is None else centre[rows % len(centre)]


def _las_alone(config: TrainConfig, method: Method) -> bool:
    """Whether good rows would only move running statistics, which are measured anew: their passes are left out."""
    return not method.gas and not method.hypersphere and config.recalibrate_bn


def _draw_rows(cells: Tensor, count: int, generator: torch.Generator) -> Tensor:
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
def _recalibrate(glass: Glass, tiles: TileSource, config: TrainConfig, epoch: int) -> None:
    """Set the running statistics of the batch norm to means over many batches of good and noisy rows.

    In training they remember little more than the last batch (glass.md 2.3, T4); weights are not touched.
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
            chosen = _draw_rows(cells, config.rows_per_tile, generator)
        true = glass.pre_projection(scored_rows(glass, good, config, chosen))  # (n, 1536)
        noise = config.noise * torch.randn(true.shape, generator=generator, device=true.device)
        norm(linear(torch.cat([true, true + noise])))
    norm.momentum = momentum


def _card_scores(parts: Split, config: TrainConfig) -> int:
    """See Start; of a crop one. Opens every picture of that part: raises InputError for one that cannot be used."""
    shapes = [read_image(image.path).shape for image in parts.calibration]
    if config.input == "crop":
        return len(shapes)
    return sum(config.tiling.layout(shape[0], shape[1], config.inspect_x_px).lanes for shape in shapes)


def _repeat_px(parts: Split, config: TrainConfig) -> tuple[int | None, int | None]:
    """From a few pictures of all over the training part."""
    if config.input == "crop":
        return None, None
    first, last = config.inspect_x_px or (0, None)
    return repeat_length(
        read_image(image.path)[:, first:last] for image in parts.train[:: -(-len(parts.train) // REPEAT_PICTURES)]
    )


def untrained(config: TrainConfig, device: torch.device) -> tuple[Glass, WeightsOrigin | None]:
    glass, origin = Glass(config.backbone, config.shrink, config.levels), None
    if isinstance(glass.backbone, ResNet):
        state, origin = load_weights(config.backbone, config.weights)
        load_trunk(glass.backbone, state, origin.path)
    glass.init_heads(torch.Generator().manual_seed(config.seed))
    if not config.adaptor:
        glass.leave_adaptor_out()
    if config.precision == "bf16":
        if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise InputError(f"no bf16, {torch.cuda.get_device_name()}, set precision: fp32")
        glass.multiply_in_bf16()
    return glass.to(device), origin


def method_of(config: TrainConfig, hypersphere: bool) -> Method:
    names = ("mining", "step", "radius", "p", "gas", "las", "projection")
    return Method(hypersphere=hypersphere, **{name: getattr(config, name) for name in names})


def optimisers_of(glass: Glass, config: TrainConfig) -> Optimisers:
    """Adam with L2 for the adaptor, AdamW at twice the rate for the discriminator (glass.md 2.4)."""
    return (
        torch.optim.Adam(glass.pre_projection.parameters(), lr=config.lr, weight_decay=1e-5),
        torch.optim.AdamW(glass.discriminator.parameters(), lr=2 * config.lr, weight_decay=0.01),
    )
