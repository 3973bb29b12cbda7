"""How long training takes on this machine: `python -m tools.studies.training`, an epoch against that of the official form.

One iteration of the cloth profile is a part of `python -m tools.studies.path`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from glass_core.backbones import BACKBONES
from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.network.weights import find_weights
from glass_core.pictures.datasets import list_images
from glass_core.synthesis.samples import CACHE_BYTES
from glass_core.training.events import Event, Step
from glass_core.training.fit import fit
from pipeline.cameras.synthetic.weave import render, write_folder
from pipeline.config.cameras import WeaveConfig
from tools.cli import one_line
from tools.studies.iteration_form import FORMS

MEMORY_PICTURES = (500, 2000)
TIMED = 3
"""Iterations; one before them warms up."""


ITERATIONS = 15
"""Of the epoch that is compared."""


class _Enough(Exception):
    """Ends a training that has been timed."""


def iteration_seconds(backbone: str, ascent: bool) -> dict[str, Any]:
    """Median wall and mean CPU seconds of one iteration: 8 tiles of 256 px of woven cloth, their defects made on the way.

    Both are null where the backbone's weights are not on this machine.
    """
    row: dict[str, Any] = {"backbone": backbone, "ascent": ascent, "wall_s": None, "cpu_s": None}
    if BACKBONES[backbone].file and find_weights(backbone, None) is None:
        return row
    stamps: list[tuple[float, float]] = []

    def report(event: Event) -> None:
        if isinstance(event, Step):
            stamps.append((time.perf_counter(), time.process_time()))
            if len(stamps) > TIMED:
                raise _Enough

    config = TrainConfig.model_validate({"backbone": backbone, "gas": True, "mining": ascent, "batch_tiles": 8, "tile_px": 256})
    with tempfile.TemporaryDirectory(prefix="glassline-bench-") as name:
        out = Path(name)
        write_folder(WeaveConfig(name="cloth", source="weave", width_px=512, frame_rows=512), 10, out)
        with suppress(_Enough):
            fit(sorted((out / "frames").glob("*.png")), config, out / "run", report)
    timed = np.diff(stamps, axis=0)  # (iterations, 2)
    return {**row, "wall_s": float(np.median(timed[:, 0])), "cpu_s": float(timed[:, 1].mean())}


def epoch_against_official(backbone: str, precision: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of an epoch of GLASS-h, all rows, 20 ascent steps: ours (of that `precision`), the official form as its process
    gets its memory, and the same with memory kept as ours keeps it, in turns.

    An epoch is ITERATIONS times the median iteration, and the centre. Raises InputError where a form stops.
    """
    times: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    with ExitStack() as stack:
        children = {}
        for form in FORMS:  # one after the other, each until it is ready
            words = [
                sys.executable,
                "-m",
                "tools.studies.iteration_form",
                form,
                "--backbone",
                backbone,
                "--precision",
                precision,
            ]
            child = stack.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            children[form] = child
            ready = _answer(form, child)
            if form == "ours":
                first_pass_s = ready["first_pass_s"]
        for number in range(rounds + 1):  # the first warms up
            for form, child in children.items():
                assert child.stdin is not None
                child.stdin.write(f"{number}\n")
                child.stdin.flush()
                times[form].append(_answer(form, child))
            say(f"round {number}: " + ", ".join(f"{form} {rows[-1]['iteration_s']:.1f} s" for form, rows in times.items()))
    median = {
        form: {key: statistics.median(row[key] for row in rows[1:]) for key in ("centre_s", "iteration_s")}
        for form, rows in times.items()
    }
    epoch_s = {form: ITERATIONS * row["iteration_s"] + row["centre_s"] for form, row in median.items()}
    return {
        "backbone": backbone,
        "precision": precision,
        "rounds": rounds,
        "epoch_s": epoch_s,
        "ratio": epoch_s["official"] / epoch_s["ours"],
        "ratio_memory_kept": epoch_s["official-kept"] / epoch_s["ours"],
        "medians": median,
        "first_pass_s": first_pass_s,
        "losses": {form: [row["loss"] for row in rows] for form, rows in times.items()},
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }


def _answer(form: str, child: subprocess.Popen[str]) -> dict[str, float]:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise InputError(f"no answer, {form}, see what it said above")
    answer: dict[str, float] = json.loads(line)
    return answer


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
            fit(list_images(good), config, Path(name) / f"run-{count}", lambda event: None)
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
    if args.rounds < 1:
        raise InputError("--rounds under 1, the command line, give one or more")
    if args.memory:
        print(json.dumps({"schema": 1, **memory()}))
        return 0
    found = epoch_against_official(args.backbone, args.precision, args.rounds, lambda words: print(words, file=sys.stderr))
    print(json.dumps({"schema": 1, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
