"""What a model sees of kinds of defect that no training makes: `python -m tools.unseen_kinds RUN [--sheet OUT.png]`.

They are drawn into good tiles of the run's own held-out pictures (calibration and selection), always the same ones, so that
two models of one cloth can be compared, and settings chosen, without a defective picture. Simulated: a real defect is not
among them. Per kind: the AUROC of defective against good tiles by their highest cell, and the share above every good tile.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from glass_core.contact_sheet import under_heat, write_png
from glass_core.data import read_image
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.metrics import image_figures
from glass_core.scoring import ScoreDefinition
from glass_core.split import load_split
from glass_core.yarns import grey
from tools.cli import one_line

TILES = 48
BATCH = 16
SHOWN = 4
"""Tiles of each kind on the sheet."""
SIDE_PX, CAPTION_PX, GAP_PX = 160, 20, 8

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Spot:
    """A place in a good tile (s, s[, 3]) of grey levels: px from its middle, its radius, and the cloth's contrast."""

    tile: Floats
    dx: Floats
    dy: Floats
    radius_px: float
    contrast: float
    rng: np.random.Generator

    def within(self, other: Floats) -> Floats:
        """The tile with `other` in an ellipse round the middle, which fades out over a few px."""
        turn, narrow = self.rng.uniform(0, math.pi), self.rng.uniform(0.5, 1)
        u = self.dx * math.cos(turn) + self.dy * math.sin(turn)
        v = (self.dy * math.cos(turn) - self.dx * math.sin(turn)) / narrow
        inside = np.clip((self.radius_px - np.hypot(u, v)) / 3 + 0.5, 0, 1)
        return self.tile + _like(inside, self.tile) * (other - self.tile)

    def blurred(self, sigma_px: float) -> Floats:
        return np.asarray(cv2.GaussianBlur(self.tile, (0, 0), sigma_px), dtype=np.float32)

    def moved(self, matrix: NDArray[np.float64], by_px: tuple[float, float] = (0, 0)) -> Floats:
        """The tile taken from where (2, 2) `matrix` leads about the middle, and `by_px` further on."""
        x0, y0 = -float(self.dx[0, 0]), -float(self.dy[0, 0])
        x = matrix[0, 0] * self.dx + matrix[0, 1] * self.dy + x0 + by_px[0]
        y = matrix[1, 0] * self.dx + matrix[1, 1] * self.dy + y0 + by_px[1]
        at = x.astype(np.float32), y.astype(np.float32)
        return np.asarray(cv2.remap(self.tile, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), dtype=np.float32)

    def hairs(self, count: int, length_px: float, width_px: int) -> Floats:
        """(s, s) in 0..1: so many bent lines of a random way that begin within the radius."""
        drawn = np.zeros(self.dx.shape, dtype=np.uint8)
        for _ in range(count):
            way, steps = self.rng.uniform(0, 2 * math.pi), max(2, round(length_px / 3))
            ways = way + np.cumsum(self.rng.normal(0, 0.25, steps))
            start = self.rng.uniform(-0.7, 0.7, 2) * self.radius_px - (self.dx[0, 0], self.dy[0, 0])
            points = start + 3 * np.cumsum(np.stack([np.cos(ways), np.sin(ways)], axis=1), axis=0)
            cv2.polylines(drawn, [np.rint(points * 16).astype(np.int32)], False, 255, width_px, cv2.LINE_AA, 4)
        return np.asarray(drawn, dtype=np.float32) / np.float32(255)

    def lit(self, where: Floats, least: float, most: float) -> Floats:
        """The tile brighter or darker there, by so many times its contrast."""
        change = self.contrast * float(self.rng.uniform(least, most)) * float(self.rng.choice((-1, 1)))
        return self.tile + change * _like(where, self.tile)


def fibre(spot: Spot) -> Floats:
    return spot.lit(spot.hairs(1, spot.rng.uniform(20, 60), int(spot.rng.integers(1, 3))), 0.8, 2)


def fuzz(spot: Spot) -> Floats:
    return spot.lit(spot.hairs(round(spot.radius_px * 1.5), 8, 1), 0.5, 1.5)


def blurred(spot: Spot) -> Floats:
    return spot.within(spot.blurred(spot.rng.uniform(0.8, 2)))


def sharpened(spot: Spot) -> Floats:
    return spot.within(spot.tile + spot.rng.uniform(0.7, 2) * (spot.tile - spot.blurred(1)))


def pale(spot: Spot) -> Floats:
    return spot.within(spot.tile + spot.rng.uniform(0.3, 0.7) * (spot.blurred(6) - spot.tile))


def shifted(spot: Spot) -> Floats:
    way, far = spot.rng.uniform(0, 2 * math.pi), spot.rng.uniform(1, 4)
    return spot.within(spot.moved(np.eye(2), (far * math.cos(way), far * math.sin(way))))


def stretched(spot: Spot) -> Floats:
    return spot.within(spot.moved(np.diag(spot.rng.uniform(0.75, 0.95, 2))))


def turned(spot: Spot) -> Floats:
    turn = spot.rng.choice((-1, 1)) * math.radians(spot.rng.uniform(5, 25))
    return spot.within(spot.moved(np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])))


def noisy(spot: Spot) -> Floats:
    noise = spot.rng.normal(0, spot.contrast * spot.rng.uniform(0.3, 0.8), spot.dx.shape).astype(np.float32)
    return spot.within(spot.tile + _like(noise, spot.tile))


KINDS: tuple[Callable[[Spot], Floats], ...] = (fibre, fuzz, blurred, sharpened, pale, shifted, stretched, turned, noisy)


def draw(
    kind: Callable[[Spot], Floats], tile: NDArray[np.uint8], border_px: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A good tile (s, s[, 3]) with one defect, 5 to 20 px in radius, whose middle lies within what is scored of it."""
    radius_px = math.exp(rng.uniform(math.log(5), math.log(20)))
    margin = border_px + 8
    x, y = rng.uniform(margin, len(tile) - margin, 2)
    dy, dx = np.mgrid[: len(tile), : len(tile)].astype(np.float32) - np.array([y, x], dtype=np.float32)[:, None, None]
    levels = tile.astype(np.float32)
    contrast = max(float(grey(levels).std()), 2.0)
    return np.rint(kind(Spot(levels, dx, dy, radius_px, contrast, rng))).clip(0, 255).astype(np.uint8)


def held_out_tiles(run: Path, definition: ScoreDefinition, count: int) -> NDArray[np.uint8]:
    """So many tiles (n, s, s[, 3]), or all there are, evenly from the pictures of a run that its heads were not fitted on."""
    parts = load_split(run)
    pictures = [image.path for image in (*parts.calibration, *parts.selection)]
    if not pictures:
        raise InputError(f"no held-out picture, {run}, train with shares for calibration and selection")
    tiles = []
    for picture in map(read_image, pictures):
        height, width = picture.shape[:2]
        tiles.append(definition.tiling.layout(height, width, definition.inspect_x_px).cut(picture))
    if len({batch.shape[1:] for batch in tiles}) > 1:
        tiles = [batch if batch.ndim == 4 else np.repeat(batch[..., None], 3, axis=3) for batch in tiles]
    every = np.concatenate(tiles)
    return every[np.unique(np.linspace(0, len(every) - 1, count).astype(int))]


def _like(plane: NDArray[np.generic], tile: Floats) -> Floats:
    """(s, s) for each colour of a tile."""
    return np.asarray(plane if tile.ndim == 2 else plane[:, :, None], dtype=np.float32)


def _cells(engine: Engine, tiles: NDArray[np.uint8]) -> Floats:
    """The cells (n, c, c) of tiles (n, s, s[, 3]) that count."""
    batches = (tiles[start : start + BATCH] for start in range(0, len(tiles), BATCH))
    return engine.definition.tiling.scored(np.concatenate([engine.score(batch) for batch in batches]))


def _log_odds(cells: Floats) -> Floats:
    p = np.clip(cells, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float32)


def _examples(kind: str, tiles: NDArray[np.uint8], cells: Floats, border_px: int, good: Floats) -> NDArray[np.uint8]:
    """A row of the sheet: SHOWN tiles of a kind from the highest score to the lowest, each beside its log odds, from the
    median of good tiles' cells (blue) to their highest (red)."""
    highest, odds = cells.max(axis=(1, 2)), _log_odds(cells)
    usual, most = float(np.median(_log_odds(good))), float(_log_odds(good).max())
    pairs = []
    for number in np.argsort(-highest)[np.linspace(0, len(tiles) - 1, SHOWN).astype(int)]:
        tile = tiles[number][border_px : len(tiles[number]) - border_px, border_px : len(tiles[number]) - border_px]
        shown = cv2.resize(tile, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        shown = cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR if tile.ndim == 2 else cv2.COLOR_RGB2BGR)
        heat = cv2.resize(odds[number], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
        pair = np.concatenate([shown, under_heat(shown, heat - usual, most - usual)], axis=1)
        pair = cv2.copyMakeBorder(pair, 0, CAPTION_PX, 0, GAP_PX, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        text = f"{kind}  score {highest[number]:.3f}"
        cv2.putText(pair, text, (2, SIDE_PX + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        pairs.append(pair)
    return np.concatenate(pairs, axis=1).astype(np.uint8)


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one JSON object; with --sheet, leaves a picture of examples."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, metavar="RUN", help="what `glassline train` has left")
    p.add_argument("--tiles", type=int, default=TILES, metavar="N", help=f"good tiles, at most (default: {TILES})")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="of the defects")
    p.add_argument("--sheet", type=Path, metavar="PNG", help="leave a picture of examples, the clearest first")
    args = p.parse_args(arguments)
    if args.tiles < 2 or args.seed < 0:
        raise InputError("--tiles under 2 or --seed under 0, the command line, give larger ones")
    engine = load_engine(args.run)
    border_px = engine.definition.tiling.border_px
    good = held_out_tiles(args.run, engine.definition, args.tiles)
    good_cells = _cells(engine, good)  # (n, c, c)
    highest_good = good_cells.max(axis=(1, 2))
    figures, rows = dict[str, dict[str, float | None]](), list[NDArray[np.uint8]]()
    for number, kind in enumerate(track(KINDS, "kinds of defect", console=Console(stderr=True), transient=True)):
        rng = [np.random.default_rng((args.seed, number, place)) for place in range(len(good))]
        tiles = np.stack([draw(kind, tile, border_px, own) for tile, own in zip(good, rng, strict=True)])
        cells = _cells(engine, tiles)  # (n, c, c)
        highest = cells.max(axis=(1, 2))
        above = float((highest > highest_good.max()).mean())
        figures[kind.__name__] = {"auroc": image_figures(highest_good, highest).auroc, "above_all_good": above}
        rows.append(_examples(kind.__name__, tiles, cells, border_px, good_cells))
    if args.sheet:
        try:
            write_png(args.sheet, np.concatenate(rows, axis=0))
        except OSError as e:
            raise InputError(f"not writable ({e.strerror}), {args.sheet}, choose another place") from None
    mean = {key: float(np.mean([figure[key] for figure in figures.values()])) for key in ("auroc", "above_all_good")}
    print(json.dumps({"schema": 1, "simulated": True, "tiles": len(good), **mean, "kinds": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
