"""`glassline train`: learn good cloth, and show which of its tiles look least like the rest."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from calibration.good import GoodFrame, look
from calibration.limits import LEAST_SAMPLES
from glass_core.config import TrainConfig, load_train_config
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.evaluation.contact_sheet import Suspects, write_contact_sheet
from glass_core.evaluation.deviations import deviations
from glass_core.network.checkpoint import EpochFigures, ModelInfo, read_info
from glass_core.pictures.datasets import list_images
from glass_core.pictures.exclusions import EXCLUDE_FILE, read_exclusions, write_exclusions
from glass_core.pictures.known_sets import known_set
from glass_core.pictures.preprocess import resized_crop
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import score_image
from glass_core.pictures.split import SPLIT_FILE, SplitImage, file_sha256, load_split

if TYPE_CHECKING:
    from glass_core.training.train import FeaturePass, Start, Step

BACKBONES = ("resnet18", "resnet50", "resnet101", "wide_resnet50_2", "embedded")
SECTION = "training"
SHEET = "contact_sheet_training.png"
KEY_DIGITS = 16
"""So much of a file's sha256 names a picture in exclude.txt."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("train", help="learn good cloth from pictures of it")
    p.add_argument("data", type=Path, metavar="DATA", help="folder of good pictures, MVTec data set, or recording")
    p.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the model")
    p.add_argument("--config", type=Path, metavar="YAML", help="its section `train:` is used (default: profile cloth)")
    p.add_argument("--backbone", choices=BACKBONES, help="instead of the configured one; `embedded` needs no file")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a model in RUN; what was trained is taken up again where it was interrupted."""
    chosen = {"backbone": args.backbone} if args.backbone else {}
    config = load_train_config(args.config, instead=chosen) if args.config else TrainConfig.model_validate(chosen)
    started = time.monotonic()
    images, console = list_images(args.data), Console(stderr=True)
    if note := known_set(args.data):
        console.print(note, soft_wrap=True, highlight=False)
    with refused_writes(args.out):
        info = train_run(images, config, args.out, console)
    facts = _facts(info, args.out, time.monotonic() - started)
    if args.json:
        print(json.dumps(facts))
    else:
        print(f"model: {args.out}, {facts['train']} pictures, {facts['seconds']:.0f} s")
        print(f"look at {facts['contact_sheet']}; mark defects in {facts['exclude']}")
        for words in facts["deviations"]:
            print(f"not as in the paper's script: {words}")
        crop = info.config is not None and info.config.input == "crop"
        print(f"next: glassline {'evaluate --protocol official' if crop else 'calibrate threshold'} {args.out}")
    return 0


@contextmanager
def refused_writes(folder: Path) -> Iterator[None]:
    """Turns a disk that is full or must not be written into one line."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise InputError(f"not writable ({error.strerror}), {where}, make room or choose another folder") from None


def train_run(images: Sequence[Path], config: TrainConfig, out: Path, console: Console) -> ModelInfo:
    """Trains on good pictures less those marked in the run's exclude.txt, and writes the contact sheet."""
    from glass_core.training.train import FeaturePass, Start, Step, train

    out.mkdir(parents=True, exist_ok=True)  # what cannot be written is better known now than after the training
    kept = without_exclusions(images, out, console)
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("training", total=None, loss="")

        def report(event: Start | FeaturePass | Step | EpochFigures) -> None:
            if isinstance(event, Start):
                console.print(_beginning(event), soft_wrap=True, highlight=False)
                for words in (_short_tile(event, config.tile_px), _short_card(event, config)):
                    if words:
                        console.print(words, soft_wrap=True, highlight=False)
            elif isinstance(event, FeaturePass):
                progress.update(task, completed=event.done, total=event.total, loss="looking at good tiles")
            elif isinstance(event, Step):
                loss = f"loss {event.figures['loss']:.3f}"
                progress.update(task, completed=event.done, total=event.total, loss=loss)
            elif event.selection_auroc is not None:
                console.print(_epoch(event), soft_wrap=True, highlight=False)

        train(kept, config, out, report)
    info, parts = read_info(out), load_split(out)
    show_suspects(out, SECTION, SHEET, load_engine(out), (*parts.train, *parts.selection), console)
    return info


def without_exclusions(images: Sequence[Path], out: Path, console: Console) -> list[Path]:
    """Good pictures that nobody marked. A training that has seen one marked since is begun anew."""
    from glass_core.training.train import STATE_FILE

    marked = read_exclusions(out)
    if not marked:
        return list(images)
    kept = [image for image in images if file_sha256(image)[:KEY_DIGITS] not in marked]
    console.print(f"{len(images) - len(kept)} pictures are left out, as marked in {out / EXCLUDE_FILE}", soft_wrap=True)
    if not kept:
        raise InputError(f"every good picture is marked, {out / EXCLUDE_FILE}, unmark those that are good")
    if (out / SPLIT_FILE).exists():
        parts = load_split(out)
        seen = (*parts.train, *parts.calibration, *parts.selection)
        if any(image.sha256[:KEY_DIGITS] in marked for image in seen):
            (out / STATE_FILE).unlink(missing_ok=True)
    return kept


def show_suspects(
    model: Path, section: str, sheet: str, engine: Engine, images: Iterable[SplitImage], console: Console
) -> list[GoodFrame]:
    """Scores good pictures, writes the contact sheet and their section of exclude.txt; the scores and look of each.

    A model of crops scores the crops.
    """
    config = read_info(model).config
    crop = config if config is not None and config.input == "crop" else None
    suspects = Suspects(engine.definition)
    frames = []
    for image in track(list(images), f"scoring good cloth, {section}", console=console, transient=True):
        pixels = read_image(image.path)
        if crop is not None:
            pixels = resized_crop(pixels, crop.resize_px, crop.tile_px)
        score_map, lane_scores = score_image(engine, engine.definition, pixels)
        layout = engine.definition.tiling.layout(pixels.shape[0], pixels.shape[1], engine.definition.inspect_x_px)
        suspects.add(image.sha256[:KEY_DIGITS], image.path, pixels, score_map)
        level, texture = look(pixels)
        frames.append(GoodFrame(lane_scores, level=level, texture=texture, patches=layout.patch_scores(score_map)))
    shown = suspects.highest
    write_contact_sheet(model / sheet, shown)
    found = [
        (each.key, f"{rank}. score {each.score:.4f} at x {each.x_px} y {each.y_px} of {each.path}")
        for rank, each in enumerate(shown, 1)
    ]
    write_exclusions(model, section, found)
    return frames


def _beginning(start: Start) -> str:
    if start.weights:
        backbone = f"backbone {start.weights.arch} from {start.weights.path}"
    else:
        backbone = "backbone embedded: the fixed filter bank, not a trained network"
    counts = " + ".join(f"{len(getattr(start.split, part))} {part}" for part in ("train", "calibration", "selection"))
    method = f"GLASS-{'h' if start.hypersphere else 'm'}"
    if start.judgement:
        method += f" by the judge ({start.judgement.points} points, radius {start.judgement.radius:.1f}; see judge.png)"
    resumed = f", taken up after epoch {start.resumed_epochs}" if start.resumed_epochs else ""
    return f"{method}; {backbone}; textures {start.textures}; {counts} pictures, {start.tiles} tiles; {start.device}{resumed}"


def _short_tile(start: Start, tile_px: int) -> str | None:
    """A tile that is smaller than a repeat never shows the whole pattern."""
    longest = max((px for px in start.repeat_px if px is not None), default=0)
    if longest <= tile_px:
        return None
    return f"warning: the pattern repeats after {longest} px, a tile has {tile_px} px: set tile_px to {-(-longest // 32) * 32}"


def _short_card(start: Start, config: TrainConfig) -> str | None:
    """A card wants some scores. Models of crops have none."""
    if not config.split.calibration or config.input == "crop" or start.card_scores >= LEAST_SAMPLES:
        return None
    count = len(start.split.calibration)
    kept = f"{count} picture{'' if count == 1 else 's'} kept for the threshold card give {start.card_scores} scores"
    return f"warning: {kept}, it needs {LEAST_SAMPLES}: give more good pictures, or raise split.calibration"


def _epoch(figures: EpochFigures) -> str:
    return (
        f"epoch {figures.epoch}: loss {figures.loss:.3f}, held-out good tiles up to {figures.selection_good_q99:.3f} "
        f"(99 %), synthetic defects told apart {figures.selection_auroc:.4f} (AUROC)"
    )


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
        "contact_sheet": str(out / SHEET),
        "exclude": str(out / EXCLUDE_FILE),
        "seconds": round(seconds, 1),
    }
