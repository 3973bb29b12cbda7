"""`glassline train`: learn good cloth, and show which of its tiles look least like the rest."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glass_core
from glass_core.backbones import BACKBONES
from glass_core.config import TrainConfig, load_train_config
from glass_core.errors import InputError
from glass_core.evaluation.deviations import deviations
from glass_core.evaluation.suspects import sheet_of
from glass_core.network.checkpoint import INFO_FILE
from glass_core.pictures.datasets import GOOD
from glass_core.pictures.exclusions import EXCLUDE_FILE, read_exclusions
from glass_core.pictures.split import SPLIT_FILE, load_split
from glass_core.training.curves import CURVES_PICTURE
from pipeline.cameras.good_frames import unpack_good
from pipeline.cameras.recording import INDEX
from pipeline.recording.contents import is_mcap
from tools.verbs.display import Display
from tools.verbs.next_step import after_train, next_step
from tools.verbs.out import add_out, claimed_out

if TYPE_CHECKING:
    from glass_core.network.checkpoint import ModelInfo


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("train", help="learn good cloth from pictures of it")
    p.add_argument(
        "data", type=Path, metavar="DATA",
        help="good pictures, an MVTec data set, or a recording (of one in MCAP the frames that passed, kept in RUN/good)",
    )  # fmt: skip
    add_out(p, "RUN", "folder for the model", required=True, adds="take up again the training that lies there")
    p.add_argument("--config", type=Path, metavar="YAML", help="its section `train:` is used (default: profile cloth)")
    p.add_argument("--backbone", choices=list(BACKBONES), help="instead of the configured one; `embedded` needs no file")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a model in RUN; with --append a training goes on where it was interrupted."""
    chosen = {"backbone": args.backbone} if args.backbone else {}
    config = load_train_config(args.config, instead=chosen) if args.config else TrainConfig.model_validate(chosen)
    if args.replace and read_exclusions(args.out):
        raise InputError(
            f"marks of defects would be lost, {args.out / EXCLUDE_FILE}, say --append to train without these pictures"
        )
    started = time.monotonic()
    with claimed_out(args, SPLIT_FILE, INFO_FILE, f"{GOOD}/{INDEX}"), Display() as display:
        data = args.data
        if is_mcap(data):
            data = args.out / GOOD  # the model names its pictures: they must stay
            if left := unpack_good(args.data, data):
                display(left)
        info = glass_core.train(data, config, args.out, display)
    facts = _facts(info, args.out, time.monotonic() - started)
    if args.json:
        print(json.dumps(facts))
    else:
        print(f"model: {args.out}, {facts['train']} pictures, {facts['seconds']:.0f} s")
        print(f"look at {facts['contact_sheet']}; mark defects in {facts['exclude']} and train again with --append")
        print(f"how the training went: {facts['curves']}")
        for words in facts["deviations"]:
            print(f"not as in the paper's script: {words}")
        crop = info.config is not None and info.config.input == "crop"
        print(next_step("evaluate", "--protocol", "official", args.out) if crop else after_train(args.out, args.config))
    return 0


def _facts(info: ModelInfo, out: Path, seconds: float) -> dict[str, Any]:
    parts, chosen = load_split(out), info.curve[(info.selected_epoch or len(info.curve)) - 1]
    return {
        "schema": 1,
        "model": str(out),
        "backbone": info.arch,
        "weights": info.weights and info.weights.path,
        "weights_sha": info.weights_sha,
        "textures": info.textures,
        "split_digest": info.split_digest,
        "train": len(parts.train),
        "calibration": len(parts.calibration),
        "selection": len(parts.selection),
        "epochs": len(info.curve),
        "selected_epoch": chosen.epoch,
        "loss": chosen.loss,
        "distribution": info.distribution,
        "deviations": list(deviations(info)),
        "selection_auroc": chosen.selection_auroc,
        "contact_sheet": str(sheet_of(out, "training")),
        "exclude": str(out / EXCLUDE_FILE),
        "curves": str(out / CURVES_PICTURE),
        "seconds": round(seconds, 1),
    }
