"""What the benchmark times: engines of any model, also of one drawn at random."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from glass_core.engines.backend import Runner, Tiles, backend, check_precision, choose
from glass_core.engines.bundle import is_bundle, load_manifest
from glass_core.errors import InputError
from glass_core.network.checkpoint import ModelInfo, load_model, read_info, save_model, tensors_of, weights_sha
from glass_core.network.graph import ScoreGraph
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling

RANDOM = "random weights: good for speed, no score of it means anything"
EXAMPLES = 4


def random_run(arch: str, tile_px: int, out: Path) -> None:
    """Leaves a RUN in the folder `out` whose network is drawn at random and was never trained.

    Raises InputError for a tile that no engine takes.
    """
    if tile_px < 32 or tile_px % 32:
        raise InputError(f"a tile of {tile_px} px, the size, use a multiple of 32")
    glass = Glass(arch)
    glass.init_heads(torch.Generator().manual_seed(0))
    tensors = tensors_of(glass.eval())
    definition = ScoreDefinition(tiling=Tiling(tile_px=tile_px, overlap_px=32 if tile_px >= 64 else 0))
    info = ModelInfo(
        arch=arch, weights_sha=weights_sha(tensors), score=definition, config=None, split_digest=None, weights=None,
        textures=None, curve=(), origin=f"{RANDOM}, {datetime.now(UTC):%Y-%m-%d}", versions={"torch": torch.__version__},
    )  # fmt: skip
    save_model(out, tensors, info)


def tile_shape(model: Path) -> tuple[int, ...]:
    """Of the tiles that a model is timed with: a bundle's own, of a run mono ones of its tiling."""
    if is_bundle(model):
        return load_manifest(model).tile_shape
    side_px = read_info(model).score.tiling.tile_px
    return (side_px, side_px)


def drawn(count: int, shape: tuple[int, ...]) -> Tiles:
    """Tiles (count, ...) of noise."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def engine_for(model: Path, asked: str, precision: str, scratch: Path) -> tuple[Runner, str, str]:
    """The bare engine of a RUN or BUNDLE, with the names of its backend and precision.

    A run's engine that has to be built ahead (TensorRT, int8) is built into the folder `scratch`, its int8 ranges from
    noise: its speed is that of a compiled one, its scores are not.
    """
    shape = tile_shape(model)
    if is_bundle(model):
        manifest = load_manifest(model)
        return backend(manifest.backend).read(model, shape, manifest.precision, None), manifest.backend, manifest.precision
    name, _ = choose(asked, built_ahead=precision != "fp32")
    check_precision(name, precision)
    module = backend(name)
    if name == "tensorrt" or precision == "int8":
        scratch.mkdir(parents=True, exist_ok=True)
        module.write(model, drawn(EXAMPLES, shape), precision, scratch)
        return module.read(scratch, shape, precision, None), name, precision
    return module.prepare(model, shape, precision, None), name, precision


def forward(runner: Runner, tiles: Tiles, wait: bool = True) -> Callable[[], object]:
    """One batch, computed and nothing else; on a GPU the tiles are there already. Without `wait` a GPU is not waited for.

    Raises InputError for a batch that is none of a GPU engine's sizes.
    """
    on_device = getattr(runner, "on_device", None)  # only an engine on a GPU has one; asking for its class would load CUDA's
    if on_device is None:
        return lambda: runner(tiles)
    try:
        call: Callable[[], object] = on_device(len(tiles), wait)
        call()
    except KeyError:
        raise InputError(f"batch {len(tiles)} is none of the engine's sizes, the batch, use 1, 4, 8, 16 or 32") from None
    return call


def gmac_per_image(model: Path) -> float:
    """Multiply-adds of convolutions and matrix products for one tile, counted from the graph as it runs, in 1e9."""
    from torch.utils.flop_counter import FlopCounterMode

    network = ScoreGraph(load_model(model)[0])
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(drawn(1, tile_shape(model))))
    return counter.get_total_flops() / 2e9
