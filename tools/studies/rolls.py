"""Recall on the mark at the thresholds of several budgets, on the cloth of the training and on other rolls.

`python -m tools.studies.rolls RUN DATA`

DATA is in MVTec layout, its test pictures one tile each (`tools.studies.make_tiles`). The cards are made as
`glassline calibrate threshold RUN` makes them, for 5, 20 and 100 false alarms in 100 m2. A defective tile is found where a
region above a card's lowest threshold comes within 16 px of its mask. The ceiling is what the threshold finds above which
one in a hundred of the test's own good tiles lies: it looks at the test and serves as a measure, never as a setting.
The other rolls are simulated (`tools.studies.shifted_rolls`), the card stays that of the roll that was trained on, for 20.
`followed` tells what is found at the threshold that a live line has after a roll's first metres: raised by the card's rule
(docs/explanation/thresholds.md), here from the level of the roll's own good tiles.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from calibration.false_alarms import Budget
from calibration.limits import raised
from calibration.model_card import origin_of, score_cloth
from calibration.threshold import ThresholdCard, calibrate, level_of
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.evaluation.kept_apart import refuse_seen
from glass_core.network.checkpoint import read_info
from glass_core.pictures.datasets import TestImage, list_test_images, read_mask
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import score_image
from glass_core.training.training_state import STATE_FILE
from pipeline.cameras.placing import Placing
from tools.cli import one_line
from tools.studies.shifted_rolls import ROLLS, Roll
from tools.verbs.display import Display

MARGIN_PX = 16
BUDGETS = (5.0, 20.0, 100.0)
"""False alarms in 100 m2."""
CEILING_RATE = 0.01
"""Of the test's own good tiles."""


@dataclass(frozen=True)
class Tiles:
    """What one roll's test tiles scored: of good ones the highest cell, of defective ones also the highest near the mask."""

    good: NDArray[np.float64]  # (g,)
    marked: NDArray[np.float64]  # (d,)
    events: NDArray[np.int64]  # (g, thresholds) regions above each card's threshold
    good_m2: float

    def found(self, threshold: float) -> float:
        """Share of the defective tiles with a score above it on the mark."""
        return float((self.marked > threshold).mean())

    def level(self, threshold: float) -> float:
        """Where the good tiles lie against a threshold, in log odds: their median."""
        return float(np.median([level_of([score], [threshold]) for score in self.good]))

    @property
    def ceiling(self) -> float:
        """The threshold above which CEILING_RATE of these good tiles lie: the highest one, where they are few."""
        allowed = int(CEILING_RATE * len(self.good))
        return float(np.sort(self.good)[::-1][allowed])


def score_roll(
    engine: Engine, images: Sequence[TestImage], thresholds: Sequence[float], mm_per_px: float, roll: Roll | None, what: str
) -> Tiles:
    """The test tiles as a roll shows them; None: as they are. Raises InputError for a defective tile without a mask."""
    good, marked, events, good_m2 = list[float](), list[float](), list[list[int]](), 0.0
    for number, image in enumerate(track(images, what, console=Console(stderr=True), transient=True)):
        picture = read_image(image.path)
        mask = read_mask(image, *picture.shape[:2]) if image.defective else None
        if image.defective and mask is None:
            raise InputError(f"a defective tile without a mask, {image.path}, give ground_truth for each")
        if roll is not None:
            picture = roll.picture(picture, number)
        cells = score_image(engine, engine.definition, picture)[0]  # (rows, cols)
        if mask is None:
            layout = engine.definition.tiling.layout(*picture.shape[:2])
            good.append(float(cells.max()))
            events.append([layout.regions(cells, np.full(layout.lanes, threshold), 1).total for threshold in thresholds])
            good_m2 += picture.shape[0] * picture.shape[1] * mm_per_px**2 / 1e6
        else:
            near = near_mark(mask > 0 if roll is None else roll.mask(mask > 0), cells.shape, engine.definition.tiling.cell_px)
            marked.append(float(cells[near].max(initial=0)))
    return Tiles(np.array(good), np.array(marked), np.array(events), good_m2)


def near_mark(mask: NDArray[np.bool_], cells: tuple[int, ...], cell_px: int) -> NDArray[np.bool_]:
    """Which cells (rows, cols) have a pixel within MARGIN_PX of a marked one of the mask (h, w)."""
    side = 2 * MARGIN_PX + 1
    near = cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8))  # (h, w)
    whole = np.zeros((cells[0] * cell_px, cells[1] * cell_px), dtype=np.uint8)
    whole[: near.shape[0], : near.shape[1]] = near
    return np.asarray(whole.reshape(cells[0], cell_px, cells[1], cell_px).max(axis=(1, 3)) > 0)


def interval(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a share of which `count` in `of` were seen (Clopper and Pearson, 1934)."""

    def below(share: float, most: int) -> float:
        return sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(most + 1))

    def where(tail: Callable[[float], float]) -> float:
        """Where a rising tail reaches half of what lies outside."""
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(middle) < (1 - confidence) / 2 else (low, middle)
        return low

    least = where(lambda share: 1 - below(share, count - 1)) if count else 0.0
    most = 1 - where(lambda share: below(1 - share, count)) if count < of else 1.0
    return least, most


def figures(tiles: Tiles, threshold: float, card: int = 0) -> dict[str, Any]:
    """What is reported of one roll at a threshold, that of so many-th card of its tiles."""
    alarmed = int((tiles.good > threshold).sum())
    held, found = tiles.found(tiles.ceiling), tiles.found(threshold)
    return {
        "found": found,
        "ceiling": held,
        "share_of_ceiling": found / held if held else None,
        "good_alarmed": alarmed,
        "good": len(tiles.good),
        "good_alarmed_interval": interval(alarmed, len(tiles.good)),
        "false_alarms_per_100_m2": 100 * int(tiles.events[:, card].sum()) / tiles.good_m2,
    }


def figures_of_roll(roll: Roll, tiles: Tiles, card: ThresholdCard) -> dict[str, Any]:
    """How it was drawn, and what is found in it by the card and by the threshold raised for its level."""
    threshold, level = min(card.thresholds), tiles.level(min(card.thresholds))
    by = card.good[""].raised_by(level)
    moved = figures(tiles, raised(threshold, by))
    also = {"found": moved["found"], "good_alarmed": moved["good_alarmed"], "good": moved["good"]}
    return asdict(roll) | figures(tiles, threshold) | {"level": level, "raised_by": by, "followed": also}


def cards_of(run: Path, engine: Engine, mm_per_px: float, display: Display) -> list[ThresholdCard]:
    """A card for each of BUDGETS, from the run's own good pictures; the run stays as it is."""
    with tempfile.TemporaryDirectory(prefix="glassline-rolls-") as folder:
        copy = Path(folder) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns(STATE_FILE, "*.png"))
        frames = score_cloth(copy, None, engine, display, Placing(), mm_per_px)
    origin = origin_of(engine, read_info(run).arch)
    return [calibrate(frames, origin, Budget(per_100_m2=budget), str(run), mm_per_px) for budget in BUDGETS]


def over_rolls(rolls: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median and the worst roll of each figure."""
    found = [roll["found"] for roll in rolls]
    alarmed = [roll["good_alarmed"] / roll["good"] for roll in rolls]
    return {
        "median_found": float(np.median(found)), "worst_found": min(found),
        "median_good_alarmed": float(np.median(alarmed)), "worst_good_alarmed": max(alarmed),
    }  # fmt: skip


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, metavar="RUN", help="what `glassline train` has left")
    p.add_argument("data", type=Path, metavar="DATA", help="test tiles in MVTec layout")
    p.add_argument("--mm-per-px", type=float, default=0.2, help="of the pictures (default: 0.2, assumed for AITEX)")
    p.add_argument("--rolls", type=int, default=ROLLS, metavar="N", help=f"simulated rolls (default: {ROLLS}; 0: none)")
    args = p.parse_args(arguments)
    if args.mm_per_px <= 0 or args.rolls < 0:
        raise InputError("--mm-per-px or --rolls under 0, the command line, give larger ones")
    engine = load_engine(args.run)
    images = list_test_images(args.data)
    if len({image.defective for image in images}) < 2:
        raise InputError(f"good or defective tiles are missing, {args.data}, give both")
    refuse_seen(args.run, args.data, images)
    with Display(Console(stderr=True)) as display:
        cards = cards_of(args.run, engine, args.mm_per_px, display)
    thresholds = [min(card.thresholds) for card in cards]
    own = score_roll(engine, images, thresholds, args.mm_per_px, None, "as they are")
    budgets = [
        {"threshold": threshold, **card.false_alarms.model_dump(), "provisional": card.provisional}
        | figures(own, threshold, number)
        for number, (card, threshold) in enumerate(zip(cards, thresholds, strict=True))
    ]
    usual = cards[BUDGETS.index(Budget().per_100_m2)]
    draws = [Roll.drawn(seed) for seed in range(args.rolls)]
    rolls = [
        figures_of_roll(
            roll, score_roll(engine, images, [min(usual.thresholds)], args.mm_per_px, roll, f"roll {number + 1}"), usual
        )
        for number, roll in enumerate(draws)
    ]
    followed = [roll["followed"] for roll in rolls]
    shifted = {**over_rolls(rolls), "followed": over_rolls(followed), "rolls": rolls} if rolls else None
    learned = cards[0].learned.model_dump() if cards[0].learned else None
    facts = {"schema": 1, "textures": read_info(args.run).textures, "learned": learned}
    print(json.dumps({**facts, "per_100_m2": budgets, "simulated_rolls": shifted}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
