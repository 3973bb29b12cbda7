"""One form of a training iteration, computed and timed each time a number comes on stdin; `tools.studies.training` starts it.

A process of its own, for how the C library hands out memory is a setting of the whole process: ours keeps what it frees, the
official code does not. Answers are JSON, a line each.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from glass_core.config import TrainConfig
from glass_core.paper.plain_network import PlainGlass
from glass_core.paper.plain_training import plain_step
from glass_core.synthesis.samples import TileSource
from glass_core.synthesis.texture import ProceduralTextures
from glass_core.training.beginning import method_of, optimisers_of, untrained
from glass_core.training.freed_memory import keep_freed_memory
from glass_core.training.good_features import GoodFeatures
from glass_core.training.iteration import iterate
from pipeline.cameras.synthetic.weave import write_folder
from pipeline.config.cameras import WeaveConfig
from tools.cli import one_line

FORMS = ("ours", "official", "official-kept")
"""The last is the official form with memory kept as ours keeps it."""
TILES, BATCH_TILES = 224, 8
"""Good tiles that an epoch's centre is the mean of; tiles of an iteration."""

Timed = tuple[float, float, float]
"""Seconds of an epoch's centre and of an iteration, and the loss before it."""


def made(form: str, backbone: str, precision: str, folder: Path) -> tuple[Callable[[int], Timed], float]:
    """The iteration by its number, and seconds of the pass over TILES tiles before the first epoch, which ours needs.

    GLASS-h, all rows, 20 ascent steps. All forms begin with the same weights and get the same batches and noise. Synthetic
    defects are made by ours for all, which favours the official form; that form makes them for the centre as well, where
    nobody looks at them (docs/explanation/glass.md#the-centre).
    """
    config = TrainConfig.model_validate({
        "backbone": backbone, "tile_px": 256, "border_px": 0, "batch_tiles": BATCH_TILES, "rows_per_tile": None,
        "distribution": "h", "gas": True, "weave_share": 0, "levels": (2, 3), "light": 0,
        "precision": precision if form == "ours" else "fp32",
    })  # fmt: skip
    method = method_of(config, hypersphere=True)
    glass, _ = untrained(config, torch.device("cpu"))
    write_folder(WeaveConfig(name="cloth", source="weave", width_px=736, frame_rows=480), 2, folder)
    tiles = TileSource(sorted((folder / "frames").glob("*.png")), config, ProceduralTextures())
    plain, optimisers = PlainGlass(glass), optimisers_of(glass, config)
    glass.train()
    started = time.perf_counter()
    good = GoodFeatures(glass, tiles, config, True, folder, lambda done: None)
    first_pass_s = (time.perf_counter() - started) * TILES / len(tiles)
    for head in (glass.pre_projection, glass.discriminator):
        head.requires_grad_(True)  # PlainGlass is for scoring, and had frozen them

    def ours(number: int) -> Timed:
        marks = [time.perf_counter()]
        centre = good.centre()
        marks.append(time.perf_counter())
        seed = np.random.SeedSequence((0, 0, number))
        log = iterate(glass, optimisers, tiles.draw(0, number), good, centre, config, method, seed)
        return marks[1] - marks[0], time.perf_counter() - marks[1], log["loss"]

    def official(number: int) -> Timed:
        centre = good.centre()
        assert centre is not None
        marks = [time.perf_counter()]
        drawn = tiles.draw(0, number)  # the official centre pass: defects made, trunk and adaptor over the good tiles
        with torch.no_grad():
            glass.pre_projection(plain.features(torch.from_numpy(drawn.normal)))
        marks.append(time.perf_counter())
        seed = np.random.SeedSequence((0, 0, number))
        loss = plain_step(plain, optimisers, tiles.draw(0, number), centre, config.noise, method, seed)
        return (marks[1] - marks[0]) * TILES / BATCH_TILES, time.perf_counter() - marks[1], loss

    return ours if form == "ours" else official, first_pass_s


@one_line
def main() -> int:
    """Exit 0 at the end of stdin."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("form", choices=FORMS)
    p.add_argument("--backbone", default="resnet18")
    p.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    args = p.parse_args()
    if args.form != "official":
        keep_freed_memory()
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        iteration, first_pass_s = made(args.form, args.backbone, args.precision, Path(name))
        print(json.dumps({"first_pass_s": first_pass_s}), flush=True)
        for line in sys.stdin:
            centre_s, iteration_s, loss = iteration(int(line))
            print(json.dumps({"centre_s": centre_s, "iteration_s": iteration_s, "loss": loss}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
