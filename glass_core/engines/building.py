"""Builds the engine of a bundle, and proves it: against the trained model, and each batch size against single tiles."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.config import TrainConfig
from glass_core.engines import RunEngine
from glass_core.engines.backend import Runner, Tiles, backend, check_precision
from glass_core.engines.bundle import Manifest, seal
from glass_core.engines.canary import MIN_TOLERANCE
from glass_core.errors import InputError, NotAccepted
from glass_core.network.checkpoint import read_info
from glass_core.synthesis.samples import TileSource
from glass_core.synthesis.texture import find_textures

GOLDENS = 8
GUARD_PAIRS = 100
RANGE_PAIRS = 64


@dataclass(frozen=True)
class Allowed:
    """What the change of precision may cost: by how much the score of a tile moves in 99 of 100 cases, the share of tiles
    whose verdict flips at the calibrated threshold, and by how much a cell moves with the tiles beside it in the batch."""

    moved: float
    flipped: float
    among_others: float


ALLOWED = {
    "fp32": Allowed(moved=1e-4, flipped=0, among_others=1e-4),
    "fp16": Allowed(moved=0.005, flipped=0, among_others=0.01),
    "bf16": Allowed(moved=0.02, flipped=0, among_others=0.02),
    "int8": Allowed(moved=0.05, flipped=0.005, among_others=0.02),
}
"""Half of the tiles compared have synthetic defects, many of them so weak that their scores lie near the threshold."""


@dataclass(frozen=True)
class Pairs:
    """Good tiles and the same ones with a synthetic defect, each (N, h, w[, 3])."""

    good: Tiles
    defective: Tiles

    @property
    def all(self) -> Tiles:
        """Good and defective in turn, (2N, ...)."""
        return np.stack([self.good, self.defective], axis=1).reshape(-1, *self.good.shape[1:])


def draw_pairs(pictures: Sequence[Path], config: TrainConfig, count: int) -> Pairs:
    """Up to `count` tiles, evenly spaced over the pictures. Raises InputError when there are none."""
    textures = config.textures if config.textures is not None and config.textures.exists() else None
    source = TileSource(pictures, config, find_textures(textures))
    if not len(source):
        raise InputError("no good tiles to prove it on, its pictures, name good pictures that are there")
    places = np.unique(np.linspace(0, len(source) - 1, count).astype(int))
    batches = [source.fixed(int(place), 0) for place in places]
    good = np.concatenate([batch.normal for batch in batches])
    defective = np.concatenate([np.rint(batch.las).clip(0, 255).astype(np.uint8) for batch in batches])
    return Pairs(good, defective)


def build(
    folder: Path,
    name: str,
    precision: str,
    held_out: Pairs,
    examples: Tiles,
    thresholds: Iterable[float],
    track: Callable[[Sequence[int], str], Iterable[int]],
) -> Manifest:
    """Writes engine, golden tiles and manifest into a folder that holds a run's model.

    `examples` set the ranges of int8; `track(numbers, title)` shows progress. Raises NotAccepted when the engine's scores
    are not those of the model within ALLOWED, MissingError without the backend.
    """
    check_precision(name, precision)
    info, module = read_info(folder), backend(name)
    files = tuple(module.write(folder, examples, precision, folder))
    shape = examples.shape[1:]
    runner = module.read(folder, shape, precision, None)
    tolerance = max(MIN_TOLERANCE, 2 * prove_batches(runner, held_out.all, module.BUCKETS, ALLOWED[precision].among_others))
    reference, scored = RunEngine(folder, "auto", "fp32", None), info.score.tiling.scored
    guard = compare(
        lambda tiles: scored(runner(tiles)), lambda tiles: scored(reference.score(tiles)), held_out.all, thresholds, track
    )
    refuse_beyond(guard, ALLOWED[precision], f"{name} {precision}")
    tiles = np.ascontiguousarray(held_out.all[:GOLDENS])
    return seal(folder, info, name, precision, tiles, runner(tiles), tolerance, guard, files)


def prove_batches(runner: Runner, tiles: Tiles, buckets: Sequence[int], allowed: float) -> float:
    """The largest difference between a cell of a tile alone and among others, for every batch up to the largest bucket.

    Raises NotAccepted when it is more than allowed, or when equal tiles in one batch get different scores.
    """
    tiles = np.resize(tiles, (buckets[-1] + 1, *tiles.shape[1:]))
    alone = np.concatenate([runner(tile[None]) for tile in tiles])  # (B, h/c, w/c)
    if not np.isfinite(alone).all():
        raise NotAccepted("scores that are not finite, the engine, use another precision")
    largest = 0.0
    for size in range(1, buckets[-1] + 1):
        for start in (0, 1):  # every tile in two places
            largest = max(largest, _largest(runner(tiles[start : start + size]), alone[start : start + size]))
        equal = runner(np.repeat(tiles[:1], size, axis=0))
        if not (equal == equal[:1]).all():
            raise NotAccepted(f"equal tiles score differently, batch of {size}, use another backend or precision")
    if not largest <= allowed:
        raise NotAccepted(
            f"a tile's score moves by {largest:.2g} with the tiles beside it ({allowed:g} is allowed), "
            "the engine, use another backend or precision"
        )
    return largest


def compare(
    runner: Runner,
    reference: Runner,
    tiles: Tiles,
    thresholds: Iterable[float],
    track: Callable[[Sequence[int], str], Iterable[int]],
) -> dict[str, float]:
    """How an engine's tile scores (the highest cell of each) differ from the reference's."""
    starts = range(0, len(tiles), 4)
    batches = [(runner(tiles[n : n + 4]), reference(tiles[n : n + 4])) for n in track(starts, "comparing with the model")]
    ours, wanted = (np.concatenate(each).max(axis=(1, 2)) for each in zip(*batches, strict=True))  # (N,) each
    moved = np.abs(ours - wanted)
    flips = max((int(((ours > t) != (wanted > t)).sum()) for t in set(thresholds)), default=0)
    return {
        "tiles": len(tiles),
        "moved_median": float(np.median(moved)),
        "moved_q99": float(np.quantile(moved, 0.99)),
        "moved_most": float(moved.max()),
        "flips": flips,
    }


def refuse_beyond(guard: dict[str, float], allowed: Allowed, engine: str) -> None:
    """Raises NotAccepted when scores moved or verdicts flipped by more than allowed."""
    if not guard["moved_q99"] <= allowed.moved:
        raise NotAccepted(
            f"scores move by {guard['moved_q99']:.3g} (99 of 100 tiles, {allowed.moved:g} is allowed), {engine}, "
            "use another precision"
        )
    if guard["flips"] > allowed.flipped * guard["tiles"]:
        raise NotAccepted(
            f"{guard['flips']:.0f} of {guard['tiles']:.0f} verdicts flip at the calibrated threshold "
            f"({allowed.flipped:.1%} is allowed), {engine}, use another precision"
        )


def _largest(ours: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    return float(np.abs(ours - wanted).max())
