"""Trains GLASS-m from good pictures alone (glass.md 2, 3 and 6), resumable after any finished epoch."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glass_core.backbone import ResNet, load_trunk
from glass_core.checkpoint import (
    EpochFigures,
    ModelInfo,
    WeightsOrigin,
    read_tensors,
    save_model,
    tensors_of,
    weights_sha,
    write_tensors,
)
from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.gas import Method, glass_loss
from glass_core.model import Glass
from glass_core.samples import Batch, TileSource
from glass_core.scoring import ScoreDefinition
from glass_core.split import Split, split
from glass_core.texture import find_textures
from glass_core.weights import load_weights

STATE_FILE = "state.safetensors"
RECALIBRATION_BATCHES = 16
SELECTION_TILES = 64
OPTIMISER_NAMES = ("adaptor", "discriminator")


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
    tiles: int
    resumed_epochs: int


Report = Callable[[Start | Step | EpochFigures], None]
Optimisers = tuple[torch.optim.Optimizer, torch.optim.Optimizer]


def train(images: Sequence[Path], config: TrainConfig, out: Path, report: Report) -> Path:
    """Fit adaptor and discriminator on good `images`, and leave a model in the folder `out`, which is returned.

    A state left there by the same config and pictures is taken up after its last finished epoch, and the weights come out
    as without the interruption; `epochs` may have grown meanwhile. Raises InputError for pictures or a state that cannot be
    used, MissingError without the trunk's weights.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = split(images, config.split, config.seed)
    textures = find_textures(config.textures)
    tiles = TileSource([image.path for image in parts.train], config, textures)
    selection = TileSource([image.path for image in parts.selection], config, textures)
    glass, origin = _untrained(config, device)
    optimisers = _optimisers(glass, config)
    identity = _identity(config, parts, textures.name, origin)
    curve = _resume(out / STATE_FILE, glass, optimisers, identity)
    if len(curve) > config.epochs:
        raise InputError(f"{len(curve)} epochs are done, {out}, ask for as many at least or choose another --out")
    report(Start(origin, textures.name, str(device), parts, len(tiles), len(curve)))
    try:
        out.mkdir(parents=True, exist_ok=True)
        parts.save(out)
    except OSError as error:
        raise InputError(f"cannot write ({error.strerror}), {out}, choose another --out") from error

    per_epoch = config.iterations_per_epoch
    for epoch in range(len(curve), config.epochs):
        glass.train()
        logs = []
        for iteration in range(per_epoch):
            batch = tiles.draw(epoch, iteration)
            log = _iterate(glass, optimisers, batch, config, np.random.SeedSequence((config.seed, epoch, iteration)))
            if not math.isfinite(log["loss"]):
                raise InputError(f"training diverged, epoch {epoch + 1}, give a smaller lr than {config.lr:g}")
            report(Step(epoch * per_epoch + iteration + 1, config.epochs * per_epoch, epoch + 1, log))
            logs.append(log)
        figures = {name: float(np.mean([log[name] for log in logs])) for name in ("loss", "p_true", "p_fake")}
        if epoch + 1 == config.epochs or (epoch + 1) % config.evaluate_every == 0:
            if config.recalibrate_bn:
                _recalibrate(glass, tiles, config, epoch + 1)
            figures |= _held_out(glass, selection)
        curve.append(EpochFigures(epoch=epoch + 1, **figures))
        _save_state(out / STATE_FILE, glass, optimisers, identity, curve)
        report(curve[-1])

    tensors = tensors_of(glass)
    info = ModelInfo(
        arch=config.backbone,
        weights_sha=weights_sha(tensors),
        score=ScoreDefinition(tiling=config.tiling, inspect_x_px=config.inspect_x_px),
        config=config,
        split_digest=parts.digest,
        weights=origin,
        textures=textures.name,
        curve=tuple(curve),
        versions={"torch": torch.__version__, "numpy": np.__version__},
    )
    save_model(out, tensors, info)
    return out


def _iterate(
    glass: Glass, optimisers: Optimisers, batch: Batch, config: TrainConfig, seed: np.random.SeedSequence
) -> dict[str, float]:
    """One step of both optimisers; the figures to log."""
    device = glass.discriminator.direction.device
    normal, las = (glass.features(torch.from_numpy(tiles).to(device)) for tiles in (batch.normal, batch.las))  # (N, 1536)
    mask = torch.from_numpy(batch.mask).to(device).reshape(-1, 1)  # (N, 1)
    generator = torch.Generator(device).manual_seed(int(seed.generate_state(1)[0]))
    if config.rows_per_tile is not None:
        cells = mask.reshape(len(batch.mask), -1)  # (B, cells)
        chosen = _draw_rows(torch.zeros_like(cells), config.rows_per_tile, generator)  # (n,)
        changed = _draw_rows(cells, config.rows_per_tile, generator)  # (n,)
        normal, las, mask = normal[chosen], las[changed], mask[changed]
    noise = config.noise * torch.randn(normal.shape, generator=generator, device=device)
    method = Method(mining=config.mining, step=config.step, radius=config.radius, p=config.p)
    loss, log = glass_loss(glass.pre_projection, glass.discriminator, normal, las, mask, noise, method)
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss.backward()
    for optimiser in optimisers:
        optimiser.step()
    return {name: float(value) for name, value in log.items()}


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
    norm, linear = glass.discriminator.norm, glass.discriminator.linear
    momentum = norm.momentum
    norm.reset_running_stats()
    norm.momentum = None  # a plain mean over the batches
    norm.train()
    generator = torch.Generator(linear.weight.device).manual_seed(config.seed)
    for iteration in range(RECALIBRATION_BATCHES):
        batch = torch.from_numpy(tiles.draw(epoch, iteration).normal).to(linear.weight.device)
        features = glass.features(batch)  # (N, 1536)
        if config.rows_per_tile is not None:
            cells = torch.zeros(len(batch), len(features) // len(batch), device=batch.device)
            features = features[_draw_rows(cells, config.rows_per_tile, generator)]
        true = glass.pre_projection(features)
        noise = config.noise * torch.randn(true.shape, generator=generator, device=true.device)
        norm(linear(torch.cat([true, true + noise])))
    norm.momentum = momentum


@torch.no_grad()
def _held_out(glass: Glass, selection: TileSource) -> dict[str, float]:
    """Highest cell of good tiles that training never saw, and how well those tell their synthetic defects apart."""
    if not len(selection):
        return {}
    glass.eval()
    device = glass.discriminator.direction.device
    places = np.unique(np.linspace(0, len(selection) - 1, SELECTION_TILES).astype(int))
    batches = [selection.fixed(int(place)) for place in places]
    good, defective = (
        np.array([float(glass(torch.from_numpy(tile).to(device)).max()) for tile in tiles])
        for tiles in ([batch.normal for batch in batches], [batch.las for batch in batches])
    )
    return {"selection_good_q99": float(np.quantile(good, 0.99)), "selection_auroc": auroc(good, defective)}


def auroc(good: NDArray[np.float64], defective: NDArray[np.float64]) -> float:
    """Area under the ROC curve: the share of pairs in which the defective one scores higher, ties counting half."""
    higher = defective[:, None] > good
    return float(np.mean(higher + 0.5 * (defective[:, None] == good)))


def _untrained(config: TrainConfig, device: torch.device) -> tuple[Glass, WeightsOrigin | None]:
    glass, origin = Glass(config.backbone), None
    if isinstance(glass.backbone, ResNet):
        state, origin = load_weights(config.backbone, config.weights)
        load_trunk(glass.backbone, state, origin.path)
    glass.init_heads(torch.Generator().manual_seed(config.seed))
    return glass.to(device), origin


def _optimisers(glass: Glass, config: TrainConfig) -> Optimisers:
    """Adam with L2 for the adaptor, AdamW at twice the rate for the discriminator (glass.md 2.4)."""
    return (
        torch.optim.Adam(glass.pre_projection.parameters(), lr=config.lr, weight_decay=1e-5),
        torch.optim.AdamW(glass.discriminator.parameters(), lr=2 * config.lr, weight_decay=0.01),
    )


def _identity(config: TrainConfig, parts: Split, textures: str, origin: WeightsOrigin | None) -> str:
    """What must be the same for a state to be taken up: all that shapes the weights but the number of epochs."""
    return json.dumps(
        {
            "config": config.model_dump(mode="json", exclude={"epochs", "weights", "textures"}),
            "split": parts.digest,
            "textures": textures,
            "weights": origin and origin.sha256,
        },
        sort_keys=True,
    )


def _save_state(path: Path, glass: Glass, optimisers: Optimisers, identity: str, curve: list[EpochFigures]) -> None:
    tensors = {key: value for key, value in tensors_of(glass).items() if not key.startswith("backbone.")}
    for name, optimiser in zip(OPTIMISER_NAMES, optimisers, strict=True):
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}/{index}/{key}": value.cpu().numpy() for key, value in state.items()}
    history = json.dumps([row.model_dump() for row in curve])
    write_tensors(path, tensors, {"identity": identity, "curve": history})


def _resume(path: Path, glass: Glass, optimisers: Optimisers, identity: str) -> list[EpochFigures]:
    """Take up the state at `path` if there is one; the curve of the epochs it has."""
    if not path.exists():
        return []
    tensors, metadata = read_tensors(path)
    if metadata.get("identity") != identity:
        raise InputError(f"a training with other settings or pictures lies there, {path.parent}, choose another --out")
    state = {key: torch.from_numpy(value) for key, value in tensors.items()}
    try:
        curve = [EpochFigures.model_validate(row) for row in json.loads(metadata["curve"])]
        glass.load_state_dict({key: value for key, value in state.items() if "/" not in key}, strict=False)
        for name, optimiser in zip(OPTIMISER_NAMES, optimisers, strict=True):
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                if key.startswith(f"{name}/"):
                    _, index, slot = key.split("/")
                    slots.setdefault(int(index), {})[slot] = value
            optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"state damaged, {path}, delete it and train again") from error
    return curve
