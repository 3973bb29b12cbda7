"""Whole AITEX strips by the card of a run: defects on the mark, by the light that a strip was recorded in.

`python -m tools.studies.strips RUN FABRIC`

FABRIC holds good/, defect/ and mask/. The card is made as in `tools.studies.rolls`, for 20 false alarms in 100 m2. A strip is
found where a cell above the threshold lies within 16 px of its mask; `away` counts those with one elsewhere, which in another
light are many. Same light: the cloth's grey level is within 5 % of the good strips'. `followed`: each strip taken for a
roll of its own, the threshold raised by the card's rule (docs/explanation/thresholds.md).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from calibration.false_alarms import Budget
from calibration.limits import raised
from calibration.threshold import GoodLook, level_of
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import score_image
from tools.cli import one_line
from tools.studies.rolls import BUDGETS, cards_of, near_mark
from tools.studies.simulated_cloth import SAME_LIGHT, grey_of
from tools.verbs.display import Display


@dataclass(frozen=True)
class Strip:
    """What a strip scored: the highest cell near its mark (0 without one) and away from it, and its lanes away from it."""

    grey: float
    marked: float
    away: float
    lanes: tuple[float, ...]


def strips(engine: Engine, paths: Sequence[Path], inspect_x_px: tuple[int, int], what: str) -> Iterator[Strip]:
    """Each strip, its mask in the folder `mask` beside its own. Raises InputError for a defective one without a mask."""
    definition = engine.definition.model_copy(update={"inspect_x_px": inspect_x_px})
    for path in track(paths, what, console=Console(stderr=True), transient=True):
        picture, mask = read_image(path), path.parent.parent / "mask" / path.name
        cells = score_image(engine, definition, picture)[0]  # (rows, cols)
        near = np.zeros(cells.shape, dtype=bool)
        if path.parent.name == "defect":
            if not mask.is_file():
                raise InputError(f"a defective strip without a mask, {path}, give {mask}")
            marked = read_image(mask)[:, slice(*inspect_x_px)] > 0
            near = near_mark(marked, cells.shape, definition.tiling.cell_px)
        yield strip(cells, near, grey_of(path, inspect_x_px), definition.tiling.tile_px // definition.tiling.cell_px)


def strip(cells: NDArray[np.floating], near: NDArray[np.bool_], grey: float, lane_cells: int) -> Strip:
    """Of a map (rows, cols) and what of it is near the mark, in lanes of so many cells."""
    away = np.where(near, 0, cells).max(axis=0)  # (cols,)
    lanes = tuple(float(away[first : first + lane_cells].max()) for first in range(0, len(away), lane_cells))
    return Strip(grey, float(cells[near].max(initial=0)), float(away.max()), lanes)


def count(found: Sequence[Strip], threshold: float, good: GoodLook) -> dict[str, Any]:
    """How many are found on the mark and alarm elsewhere, by the card and by a threshold raised for each strip's level."""

    def at(thresholds: Sequence[float]) -> dict[str, int]:
        pairs = list(zip(found, thresholds, strict=True))
        return {"found": sum(s.marked > t for s, t in pairs), "away": sum(s.away > t for s, t in pairs)}

    levels = [level_of(each.lanes, [threshold] * len(each.lanes)) for each in found]
    moved = at([raised(threshold, good.raised_by(level)) for level in levels])
    return {"strips": len(found), **at([threshold] * len(found)), "followed": moved}


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, metavar="RUN", help="what `glassline train` has left")
    p.add_argument("fabric", type=Path, metavar="FABRIC", help="folder of strips with good/, defect/ and mask/")
    p.add_argument("--mm-per-px", type=float, default=0.2, help="of the strips (default: 0.2, assumed for AITEX)")
    p.add_argument("--inspect-x-px", type=int, nargs=2, default=(352, 4096), metavar=("FROM", "TO"), help="cloth in them")
    args = p.parse_args(arguments)
    inspect_x_px = args.inspect_x_px[0], args.inspect_x_px[1]
    paths = {part: sorted((args.fabric / part).glob("*.png")) for part in ("good", "defect")}
    if not all(paths.values()):
        raise InputError(f"no strips, {args.fabric}, give a folder with good/, defect/ and mask/")
    engine = load_engine(args.run)
    with Display(Console(stderr=True)) as display:
        card = cards_of(args.run, engine, args.mm_per_px, display)[BUDGETS.index(Budget().per_100_m2)]
    threshold = min(card.thresholds)
    good, bad = (list(strips(engine, paths[part], inspect_x_px, part)) for part in ("good", "defect"))
    usual = card.good[""]
    low, high = (end([each.grey for each in good]) * (1 + by) for end, by in ((min, -SAME_LIGHT), (max, SAME_LIGHT)))
    same = [low <= each.grey <= high for each in bad]
    print(json.dumps({
        "schema": 1, "textures": read_info(args.run).textures, "threshold": threshold,
        "good": count(good, threshold, usual),
        "same_light": count([s for s, is_same in zip(bad, same, strict=True) if is_same], threshold, usual),
        "other_light": count([s for s, is_same in zip(bad, same, strict=True) if not is_same], threshold, usual),
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
