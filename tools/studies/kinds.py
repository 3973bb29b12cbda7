"""How well kinds of defect are told apart from five examples each, on generated cloth.

`python -m tools.studies.kinds --backbone resnet18|embedded [--seeds 8] [--first-seed 12]`

Each seed is one cloth (plain, twill and satin in turn) with ten defects of each kind, plain and weak, of drawn sizes; a box is
the known one in whole cells, each side moved by a cell at most, as a model's are. Five of each kind are learned and the other
five told, and the reverse. Then each kind is left out wholly, and all ten of it should be called unknown. Limits and confidence
come from what is learned alone. The method was chosen with seeds from 100 on and 0 to 11; it has not seen those from 12 on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from glass_core.errors import InputError
from glass_core.kinds.classifier import learn
from glass_core.kinds.features import Box, CropFeatures
from glass_core.network.model import Glass
from glass_core.network.weights import load_trunk
from pipeline.cameras.synthetic.weave import ground_truth, render
from pipeline.config.cameras import WeaveConfig
from pipeline.ledger.crops import crop_window
from pipeline.messages.verdicts import Region
from tools.cli import one_line
from tools.studies.simulated_cloth import SIZES_MM

KINDS = tuple(SIZES_MM)
LEARNED = 5
SIDE_PX, MM_PER_PX, CELL_PX = 512, 0.2, 8
WEAVES = ("plain", "twill", "satin")
LEVELS = {"resnet18": (1, 2, 3), "embedded": (2, 3)}
"""As the profile `cloth` has them."""

Crop = tuple[NDArray[np.uint8], Box]


def draw_crops(seed: int) -> list[tuple[str, Crop]]:
    """Twice LEARNED crops of each kind, kind by kind, and where the defect lies in each."""
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in KINDS for _ in range(2 * LEARNED)]
    side_mm = SIDE_PX * MM_PER_PX
    defects = [
        {
            "kind": kind, "strength": float(rng.choice([1.0, 0.5])), "size_mm": float(rng.uniform(*SIZES_MM[kind])),
            "at_mm": float((n + 0.5) * side_mm + rng.uniform(-15, 15)), "x_mm": float(rng.uniform(35, side_mm - 35)),
        }
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    config = WeaveConfig.model_validate({
        "name": "cloth", "source": "weave", "weave": WEAVES[seed % len(WEAVES)], "width_px": SIDE_PX, "frame_rows": SIDE_PX,
        "seed": seed, "mm_per_px_x": MM_PER_PX, "mm_per_px_y": MM_PER_PX, "defects": defects,
    })  # fmt: skip
    crops = []
    for n, kind in enumerate(kinds):
        (label,) = [each for each in ground_truth(config, n * SIDE_PX, SIDE_PX)[1] if each["number"] == n]
        cells = np.array(label["box_px"]) / CELL_PX
        first = np.clip(np.floor(cells[:2]) + rng.integers(-1, 2, 2), 0, SIDE_PX // CELL_PX - 1)
        last = np.clip(np.ceil(cells[2:]) + rng.integers(-1, 2, 2), first + 1, SIDE_PX // CELL_PX)
        x0, y0, x1, y1 = (int(CELL_PX * side) for side in (*first, *last))
        y, x = crop_window(Region(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1, score=1.0), (SIDE_PX, SIDE_PX))
        picture = render(config, n * SIDE_PX, SIDE_PX)[y, x].copy()
        crops.append((kind, (picture, (x0 - x.start, y0 - y.start, x1 - x.start, y1 - y.start))))
    return crops


def count(features: NDArray[np.float64], kinds: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Of one cloth, whose examples stand kind by kind: `seen`, those named and those named rightly, of all; `unseen`, by kind
    those called unknown, of all."""
    names = np.array(kinds, dtype=object)
    half = np.arange(len(names)) // LEARNED % 2
    seen, unseen = np.zeros(3, dtype=np.intp), np.zeros((len(KINDS), 2), dtype=np.intp)
    for part in (0, 1):
        learned = half == part
        told = learn(features[learned], list(names[learned]))[0].propose(features[~learned])
        right = [p.kind == name for p, name in zip(told, names[~learned], strict=True)]
        seen += sum(p.kind is not None for p in told), sum(right), len(told)
        for n, kind in enumerate(KINDS):
            others = learned & (names != kind)
            told = learn(features[others], list(names[others]))[0].propose(features[names == kind])
            unseen[n] += sum(p.kind is None for p in told), len(told)
    return {"seen": seen, "unseen": unseen}


def _shares(counted: dict[str, NDArray[np.intp]]) -> tuple[float, float, float]:
    """Named of all, rightly named of named, unknown of unseen."""
    (named, right, told), (unknown, unseen) = counted["seen"], counted["unseen"].sum(axis=0)
    return named / told, right / max(named, 1), unknown / unseen


@one_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--backbone", choices=tuple(LEVELS), default="resnet18")
    p.add_argument("--seeds", type=int, default=8, metavar="N", help="cloths (default: 8)")
    p.add_argument("--first-seed", type=int, default=12, metavar="N", help="(default: 12)")
    args = p.parse_args(arguments)
    if args.seeds < 1 or args.first_seed < 0:
        raise InputError("--seeds under 1 or --first-seed under 0, the command line, give larger ones")
    glass = Glass(args.backbone, 1, LEVELS[args.backbone])
    load_trunk(glass)
    trunk = CropFeatures(glass.eval(), "")
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    each = []
    for seed in track(list(seeds), "cloths", console=Console(stderr=True), transient=True):
        crops = draw_crops(seed)
        each.append(count(np.stack([trunk.of(*crop) for _, crop in crops]), [kind for kind, _ in crops]))
    whole = {part: np.sum([one[part] for one in each], axis=0) for part in ("seen", "unseen")}
    named, right, unknown = _shares(whole)
    result = {
        "schema": 1, "simulated": True, "backbone": args.backbone, "seeds": [seeds[0], seeds[-1]], "examples": LEARNED,
        "named": round(named, 3), "right_of_named": round(right, 3), "unseen_called_unknown": round(unknown, 3),
        "by_unseen_kind": {kind: round(row[0] / row[1], 3) for kind, row in zip(KINDS, whole["unseen"], strict=True)},
        "by_seed": [[round(float(share), 3) for share in _shares(one)] for one in each],
    }  # fmt: skip
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
