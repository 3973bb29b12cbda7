"""What a model sees of kinds of defect that training does not draw.

`python -m tools.studies.unseen_kinds RUN [--sheet OUT.png]`

They are drawn into good tiles of the run's own held-out pictures (calibration and selection), always the same ones for one
split and tiling (`tiles_sha`), so that two models of one cloth can be compared, and settings chosen, without a defective
picture. Simulated: a real defect is not among them. Per kind: the AUROC of defective against good tiles by their highest
cell, and the share above every good tile.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.evaluation.contact_sheet import under_heat
from glass_core.evaluation.metrics import image_figures
from glass_core.files.whole_file import refused_writes
from glass_core.network.checkpoint import read_info
from glass_core.network.held_out import held_out
from glass_core.pictures.anomaly_map import log_odds
from glass_core.pictures.drawn import write_png
from glass_core.pictures.exclusions import KEY_DIGITS, read_exclusions
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import ScoreDefinition
from tools.cli import one_line
from tools.studies.drawn_kinds import KINDS, draw

TILES = 48
BATCH = 16
SHOWN = 4
"""Tiles of each kind on the sheet."""
SIDE_PX, CAPTION_PX, GAP_PX = 160, 20, 8

Floats = NDArray[np.float32]


def held_out_tiles(run: Path, definition: ScoreDefinition, count: int) -> NDArray[np.uint8]:
    """About `count` tiles (n, s, s[, 3]), fewer where there are not so many, evenly from the pictures of a run that its heads
    were not fitted on, less those marked in its exclude.txt.

    Raises InputError where there is none, one has changed, or is smaller than a tile.
    """
    marked = read_exclusions(run)
    pictures = [image.path for image in held_out(run, also_selection=True) if image.sha256[:KEY_DIGITS] not in marked]
    if not pictures:
        raise InputError(f"no held-out picture, {run}, train with shares for calibration and selection")
    chosen = [pictures[int(n)] for n in np.unique(np.linspace(0, len(pictures) - 1, count).astype(int))]
    tiles = []
    for path in chosen:
        picture = read_image(path)
        height, width = picture.shape[:2]
        layout = definition.tiling.layout(height, width, definition.inspect_x_px)
        if min(height, layout.x1_px - layout.x0_px) < definition.tiling.scored_px:
            raise InputError(f"smaller than a tile, {path}, train with a smaller tile_px")
        every = layout.cut(picture)
        tiles.append(every[np.unique(np.linspace(0, len(every) - 1, -(-count // len(chosen))).astype(int))])
    if len({batch.ndim for batch in tiles}) > 1:
        tiles = [batch if batch.ndim == 4 else np.repeat(batch[..., None], 3, axis=3) for batch in tiles]
    return np.concatenate(tiles)


def _cells(engine: Engine, tiles: NDArray[np.uint8]) -> Floats:
    """The cells (n, c, c) of tiles (n, s, s[, 3]) that count."""
    batches = (tiles[start : start + BATCH] for start in range(0, len(tiles), BATCH))
    cells = engine.definition.tiling.scored(np.concatenate([engine.score(batch) for batch in batches]))
    if not np.isfinite(cells).all():
        raise InputError("a score that is not finite, the model, train it again")
    return cells


def _examples(kind: str, tiles: NDArray[np.uint8], cells: Floats, border_px: int, good: Floats) -> NDArray[np.uint8]:
    """A row of the sheet: SHOWN tiles of a kind from the highest score to the lowest, each beside its log odds, from the
    median of good tiles' cells (blue) to their highest (red)."""
    highest, odds = cells.max(axis=(1, 2)), log_odds(cells)
    usual, most = float(np.median(log_odds(good))), float(log_odds(good).max())
    pairs = []
    for number in np.argsort(-highest)[np.linspace(0, len(tiles) - 1, SHOWN).astype(int)]:
        tile = tiles[number][border_px : len(tiles[number]) - border_px, border_px : len(tiles[number]) - border_px]
        shown = cv2.resize(tile, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        shown = cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR if tile.ndim == 2 else cv2.COLOR_RGB2BGR)
        heat = cv2.resize(odds[number].astype(np.float32), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
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
    config = read_info(args.run).config
    if config is not None and config.input == "crop":
        raise InputError(f"a model of resized crops, {args.run}, train one with input: tiles")
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
        with refused_writes(args.sheet):
            write_png(args.sheet, np.concatenate(rows, axis=0))
    sha = hashlib.sha256(good.tobytes()).hexdigest()
    mean = {key: float(np.mean([figure[key] for figure in figures.values()])) for key in ("auroc", "above_all_good")}
    print(json.dumps({"schema": 1, "simulated": True, "tiles": len(good), "tiles_sha": sha, **mean, "kinds": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
