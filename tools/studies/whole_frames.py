"""Whether whole frames pay against tiles: `python -m tools.studies.whole_frames MODEL PICTURES`.

A frame scored as one picture saves the tiles' overlap and is another score definition, since the network then sees zeros beyond
the frame's edge instead of beyond each tile's. Told are the times, taken in turns, and how far the scores agree: no labels are
needed, none are used.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from calibration.threshold import load_card
from glass_core.engines import Engine, load_engine
from glass_core.engines.bundle import is_bundle
from glass_core.engines.speed import timed
from glass_core.errors import InputError
from glass_core.pictures.continuation import continued
from glass_core.pictures.datasets import list_images
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import score_image
from tools.cli import one_line

STRIDE_PX = 32
PAIRS = 9


def score_whole(engine: Engine, image: np.ndarray) -> np.ndarray:
    """The cells (rows, cols) of a picture that is one tile, with the tiling's border of continued cloth around it."""
    tiling, (height, width) = engine.definition.tiling, image.shape[:2]
    border = tiling.border_px
    bottom, right = (border + -(side + 2 * border) % STRIDE_PX for side in (height, width))
    cells = engine.score(continued(image, border, bottom, border, right)[None])[0]
    edge = border // tiling.cell_px
    rows, cols = -(-height // tiling.cell_px), -(-width // tiling.cell_px)
    return cells[edge : edge + rows, edge : edge + cols]


def measure(model: Path, images: list[Path], console: Console) -> dict[str, Any]:
    """The figures, for one JSON object; InputError for a model that takes its own tiles only."""
    if is_bundle(model):
        raise InputError(f"a BUNDLE takes its own tiles only, {model}, give a RUN")
    engine, card = load_engine(model), load_card(model)
    assert card is not None
    threshold = min(card.thresholds)
    pairs, highest = [], []
    for path in track(images, "scoring", console=console, transient=True):
        image = read_image(path)
        tiled, whole = score_image(engine, engine.definition, image)[0], score_whole(engine, image)
        pairs.append((tiled.ravel(), whole.ravel()))
        highest.append((float(tiled.max()), float(whole.max())))
    tiles, whole = (np.concatenate(side) for side in zip(*pairs, strict=True))
    picture, ratios, times = read_image(images[0]), [], []
    for _ in range(PAIRS):
        tiled_s = timed(lambda: score_image(engine, engine.definition, picture), 1, 0.0, least=1).images_per_s ** -1
        whole_s = timed(lambda: score_whole(engine, picture), 1, 0.0, least=1).images_per_s ** -1
        ratios.append(tiled_s / whole_s)
        times.append((tiled_s * 1e3, whole_s * 1e3))
    above = np.array(highest) > threshold  # (pictures, 2)
    return {
        "schema": 1, "pictures": len(images), "shape": list(picture.shape), "tiles": len(engine.definition.tiling.layout(
            picture.shape[0], picture.shape[1]).tiles),
        "tiled_ms": round(float(np.median(times, axis=0)[0]), 1), "whole_ms": round(float(np.median(times, axis=0)[1]), 1),
        "whole_is_faster_by": round(float(np.median(ratios)), 3), "ratios": [round(r, 3) for r in ratios],
        "cells_correlation": round(float(np.corrcoef(tiles, whole)[0, 1]), 4),
        "cells_moved_median": round(float(np.median(np.abs(tiles - whole))), 4),
        "cells_moved_p99": round(float(np.quantile(np.abs(tiles - whole), 0.99)), 4),
        "pictures_on_the_other_side_of_the_threshold": int((above[:, 0] != above[:, 1]).sum()),
    }  # fmt: skip


@one_line
def main() -> int:
    """Prints one JSON object; exit 2 and 3 as everywhere."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path, help="a RUN with its card")
    p.add_argument("pictures", type=Path, help="a folder, all of one size")
    args = p.parse_args()
    print(json.dumps(measure(args.model, list_images(args.pictures), Console(stderr=True))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
