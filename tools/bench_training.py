"""How long training takes on this machine: `python -m tools.bench_training`, an epoch against that of the official form.

One iteration of the cloth profile is a part of `python -m tools.bench_path`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from glass_core.config import TrainConfig
from glass_core.datasets import list_images
from glass_core.freed_memory import keep_freed_memory
from glass_core.good_features import GoodFeatures
from glass_core.plain import PlainGlass
from glass_core.plain_training import plain_step
from glass_core.samples import CACHE_BYTES, TileSource
from glass_core.texture import ProceduralTextures
from glass_core.train import EpochFigures, FeaturePass, Start, Step, iterate, method_of, optimisers_of, train, untrained
from glass_core.weights import find_weights
from pipeline.cameras.weave import render, write_folder
from pipeline.config import WeaveConfig
from tools.cli import one_line

MEMORY_PICTURES = (500, 2000)
TIMED = 3
"""Iterations; one before them warms up."""


ITERATIONS, TILES = 15, 224
"""Of the epoch that is compared: batches of 8 tiles of 256 px, and the good tiles that its centre is the mean of."""


class _Enough(Exception):
    """Ends a training that has been timed."""


def iteration_seconds(backbone: str, ascent: bool) -> dict[str, Any]:
    """Median wall and mean CPU seconds of one iteration: 8 tiles of 256 px of woven cloth, their defects made on the way.

    Both are null where the backbone's weights are not on this machine.
    """
    row: dict[str, Any] = {"backbone": backbone, "ascent": ascent, "wall_s": None, "cpu_s": None}
    if backbone != "embedded" and find_weights(backbone, None) is None:
        return row
    stamps: list[tuple[float, float]] = []

    def report(event: Start | FeaturePass | Step | EpochFigures) -> None:
        if isinstance(event, Step):
            stamps.append((time.perf_counter(), time.process_time()))
            if len(stamps) > TIMED:
                raise _Enough

    config = TrainConfig.model_validate({"backbone": backbone, "gas": True, "mining": ascent, "batch_tiles": 8, "tile_px": 256})
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        out = Path(name)
        write_folder(WeaveConfig(name="cloth", source="weave", width_px=512, frame_rows=512), 10, out)
        with suppress(_Enough):
            train(sorted((out / "frames").glob("*.png")), config, out / "run", report)
    timed = np.diff(stamps, axis=0)  # (iterations, 2)
    return {**row, "wall_s": float(np.median(timed[:, 0])), "cpu_s": float(timed[:, 1].mean())}


def epoch_against_plain(backbone: str, precision: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of an epoch of GLASS-h, all rows, 20 ascent steps, ours and as the official code computes it, side by side.

    `precision` is that of ours. Both start from the same weights and get the same batches and noise in turn; an epoch is
    ITERATIONS times the median iteration and the centre of TILES tiles. Synthetic defects are made by ours for both, which
    favours the official form, and that form makes them for the centre as well, where nobody looks at them (glass.md S5).
    """
    settings = {
        "backbone": backbone,
        "tile_px": 256,
        "border_px": 0,
        "rows_per_tile": None,
        "distribution": "h",
        "gas": True,
        "weave_share": 0,
        "levels": (2, 3),
        "light": 0,
        "precision": precision,
    }
    config = TrainConfig.model_validate(settings)
    method = method_of(config, hypersphere=True)
    glass, _ = untrained(config, torch.device("cpu"))
    twin, _ = untrained(config.model_copy(update={"precision": "fp32"}), torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        write_folder(WeaveConfig(name="cloth", source="weave", width_px=736, frame_rows=480), 2, Path(name))
        tiles = TileSource(sorted((Path(name) / "frames").glob("*.png")), config, ProceduralTextures())
        plain, pairs = PlainGlass(twin), ((glass, optimisers_of(glass, config)), (twin, optimisers_of(twin, config)))
        first = time.perf_counter()
        good = GoodFeatures(glass, tiles, config, True, Path(name), lambda done: None)
        first_pass = (time.perf_counter() - first) * TILES / len(tiles)
        times: dict[str, list[float]] = {"ours": [], "plain": [], "ours_centre": [], "plain_centre": []}
        losses: list[tuple[float, float]] = []
        for module in (glass, twin):
            module.train()
        for head in (twin.pre_projection, twin.discriminator):
            head.requires_grad_(True)  # PlainGlass is for scoring, and had frozen them
        for number in range(rounds + 1):  # the first warms up
            marks = [time.perf_counter()]
            centre = good.centre()
            marks.append(time.perf_counter())
            seed = np.random.SeedSequence((0, 0, number))
            batch = tiles.draw(0, number)
            ours = iterate(*pairs[0], batch, good, centre, config, method, seed)
            marks.append(time.perf_counter())
            drawn = tiles.draw(0, number)  # the official centre pass: defects made, trunk and adaptor over the good tiles
            with torch.no_grad():
                twin.pre_projection(plain.features(torch.from_numpy(drawn.normal)))
            marks.append(time.perf_counter())
            batch = tiles.draw(0, number)
            if centre is None:
                raise AssertionError("GLASS-h has a centre")
            theirs = plain_step(plain, pairs[1][1], batch, centre, config.noise, method, seed)
            marks.append(time.perf_counter())
            say(f"round {number}: ours {marks[2] - marks[1]:.1f} s, official form {marks[4] - marks[3]:.1f} s an iteration")
            losses.append((ours["loss"], theirs))
            if number:
                steps = np.diff(marks)
                for key, value in zip(("ours_centre", "ours", "plain_centre", "plain"), steps, strict=True):
                    times[key].append(float(value))
    median = {key: statistics.median(values) for key, values in times.items()}
    ours_s = ITERATIONS * median["ours"] + median["ours_centre"]
    plain_s = ITERATIONS * median["plain"] + median["plain_centre"] * TILES / config.batch_tiles
    return {
        "backbone": backbone,
        "precision": precision,
        "rounds": rounds,
        "ours_s": ours_s,
        "plain_s": plain_s,
        "ratio": plain_s / ours_s,
        "ours_iteration_s": median["ours"],
        "plain_iteration_s": median["plain"],
        "plain_centre_s": median["plain_centre"] * TILES / config.batch_tiles,
        "first_pass_s": first_pass,
        "losses": losses,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }


def memory() -> dict[str, Any]:
    """The process's highest resident memory, MiB, after a training from so many pictures of 1024 px, and what of it was left
    for pictures kept in memory."""
    config = TrainConfig.model_validate({
        "backbone": "embedded", "epochs": 1, "iterations_per_epoch": 2, "select": "last", "recalibrate_bn": False,
        "split": {"train": 0.98, "calibration": 0.01, "selection": 0.01},
    })  # fmt: skip
    peaks, written = dict[int, int](), 0
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        good = Path(name) / "good"
        good.mkdir()
        cloth = render(WeaveConfig(name="cloth", source="weave", width_px=1024, frame_rows=1024), 0, 1024)
        for count in MEMORY_PICTURES:
            for number in range(written, count):
                cv2.imwrite(str(good / f"{number}.bmp"), np.roll(cloth, (number % 997, number), axis=(0, 1)))
            written = count
            train(list_images(good), config, Path(name) / f"run-{count}", lambda event: None)
            peaks[count] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"rss_mib": peaks, "pictures_kept_at_most_mib": CACHE_BYTES >> 20}


@one_line
def main() -> int:
    """Exit 0; prints one JSON object, progress on stderr."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--backbone", default="resnet18")
    p.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    p.add_argument("--rounds", type=int, default=3, metavar="N")
    p.add_argument("--memory", action="store_true", help="how memory grows with the number of pictures instead")
    args = p.parse_args()
    if args.memory:
        print(json.dumps({"schema": 1, **memory()}))
        return 0
    keep_freed_memory()  # as a training does; both forms profit
    found = epoch_against_plain(args.backbone, args.precision, args.rounds, lambda words: print(words, file=sys.stderr))
    print(json.dumps({"schema": 1, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
