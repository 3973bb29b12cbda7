"""`glassline evaluate`: how well a model tells the good and defective pictures of a test set apart, and where."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from calibration.threshold import CARD_FILE, load_card
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.evaluation.deviations import deviations
from glass_core.evaluation.evaluate import (
    MEDIAN_SHARE,
    OFFICIAL_PX,
    Evaluation,
    Protocol,
    Scored,
    System,
    evaluate,
    official_crop,
    official_resize_px,
    official_system,
    standard_system,
    trained_resize_px,
)
from glass_core.evaluation.figures import Panel, write_histogram, write_panels
from glass_core.evaluation.kept_apart import refuse_seen
from glass_core.evaluation.score_folder import EVALUATION_FILE, SCORES_FILE, ScoreFolder
from glass_core.files.kept_json import write_json
from glass_core.network.checkpoint import read_info
from glass_core.pictures.datasets import check_test_images, list_test_images, read_mask
from glass_core.pictures.known_sets import known_set
from glass_core.pictures.reading import read_image
from tools.verbs.train import refused_writes

FIGURES = (
    ("image_auroc", "image AUROC"),
    ("image_ap", "image AP"),
    ("image_f1_max", "image F1, highest"),
    ("pixel_auroc", "pixel AUROC"),
    ("pixel_ap", "pixel AP"),
    ("pro", "PRO, standard"),
    ("pro_official", "PRO, as the official code has it"),
    ("pointing", "map highest at the marked defect"),
)
PANELS = 12


@dataclass(frozen=True)
class Subject:
    """What is evaluated: a system, how its epoch was chosen, and the thresholds in force, if any."""

    system: System
    selection: str | None
    thresholds: tuple[float, ...] | None = None
    deviations: tuple[str, ...] = ()
    map_median_share: float | None = None
    """Share of a picture's median log odds that its map leaves out; null where maps are the paper's or were made elsewhere."""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("evaluate", help="measure a model on good and defective pictures")
    p.add_argument("run", type=Path, metavar="RUN", help="a trained model, or a folder of scores that --out has left")
    p.add_argument("data", type=Path, metavar="DATA", help="test set in MVTec layout, or a class of VisA")
    p.add_argument(
        "--protocol", choices=("standard", "official"), default="standard",
        help="standard: tiles, whole pictures; official: as the paper's code, 288 px cut from the middle",
    )  # fmt: skip
    p.add_argument("--crops", action="store_true", help="the pictures are cut from the inspected range: score them whole")
    p.add_argument("--out", type=Path, metavar="DIR", help="leave scores, maps and pictures there")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 whatever the figures are."""
    console = Console(stderr=True)
    images = list_test_images(args.data)
    if note := known_set(args.data):
        console.print(note, soft_wrap=True, highlight=False)
    resize_px = official_resize_px(args.data, images)
    if args.out and args.out.resolve() == args.run.resolve():
        raise InputError(f"--out is what is evaluated, {args.out}, choose another folder")
    if (args.run / SCORES_FILE).is_file():
        subject = _exported(ScoreFolder(args.run, args.data), args.run, args.protocol)
    else:
        config = read_info(args.run).config
        resize_px = trained_resize_px(config, args.data, images)
        if config is not None and config.input == "crop":
            if args.protocol == "standard":
                raise InputError(f"a model of resized crops, {args.run}, say --protocol official")
            if config.tile_px != OFFICIAL_PX:
                raise InputError(f"a model of crops of {config.tile_px} px, {args.run}, train one with tile_px: {OFFICIAL_PX}")
        refuse_seen(args.run, args.data, images)
        subject = _model(args.run, args.protocol, resize_px, args.crops, console)
    check_test_images(track(images, "looking at pictures and masks", console=console, transient=True))
    folder = ScoreFolder(args.out, args.data) if args.out else None
    with refused_writes(args.out):
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            (args.out / SCORES_FILE).unlink(missing_ok=True)  # it vouches for the maps, which are about to change
        shown = track(images, "evaluating", console=console, transient=True)
        found = evaluate(shown, subject.system, args.protocol, resize_px, subject.thresholds, folder.write if folder else None)
        facts = _facts(found, args.protocol, subject, args.out)
        if folder:
            folder.close(found.scored)
            write_json(args.out / EVALUATION_FILE, facts)
            _write_pictures(args.out, folder, found, args.protocol, resize_px, subject.thresholds)
    if args.json:
        print(json.dumps(facts))
    else:
        print("\n".join(_words(facts, found, resize_px)))
    return 0


def _exported(scores: ScoreFolder, folder: Path, protocol: Protocol) -> Subject:
    """Scores on disk, with what is known of where they are from."""
    origin = scores.origin()
    if origin is None:
        return Subject(scores.system(), None)
    if origin.protocol != protocol:
        raise InputError(f"scores of the {origin.protocol} protocol, {folder}, say --protocol {origin.protocol}")
    return Subject(scores.system(), origin.selection, None, origin.deviations, origin.map_median_share)


def _model(run: Path, protocol: Protocol, resize_px: int, crops: bool, console: Console) -> Subject:
    """A trained model by this machine's engine; its card counts where it was made for the very same scores."""
    info, engine = read_info(run), load_engine(run)
    if protocol == "official":
        if OFFICIAL_PX % info.score.tiling.cell_px:
            raise InputError(
                f"cells of {info.score.tiling.cell_px} px do not fill {OFFICIAL_PX} px, {run}, say --protocol standard"
            )
        return Subject(official_system(engine, resize_px), info.selection, None, deviations(info))
    definition = engine.definition.model_copy(update={"inspect_x_px": None}) if crops else engine.definition
    thresholds = _thresholds(run, engine, crops, console)
    return Subject(standard_system(engine, definition), info.selection, thresholds, map_median_share=MEDIAN_SHARE)


def _thresholds(run: Path, engine: Engine, crops: bool, console: Console) -> tuple[float, ...] | None:
    card = load_card(run, required=False)
    if card is None:
        console.print(f"no {CARD_FILE} in {run}: no figures at a threshold", soft_wrap=True, highlight=False)
        return None
    try:
        card.check(engine.weights_sha, engine.sha, engine.definition)
    except InputError as error:
        console.print(f"no figures at a threshold: {error}", soft_wrap=True, highlight=False)
        return None
    return (min(card.thresholds),) if crops else card.thresholds  # a crop's lane is not known: held to the strictest


def _facts(found: Evaluation, protocol: Protocol, subject: Subject, out: Path | None) -> dict[str, Any]:
    return {
        "schema": 1,
        **{name: getattr(found, name) for name, _ in FIGURES},
        "f1_at_threshold": found.f1_at_threshold,
        "recall_at_threshold": found.recall_at_threshold,
        "false_alarms_at_threshold": found.false_alarms_at_threshold,
        "protocol": protocol,
        "selection": subject.selection,
        "deviations": list(subject.deviations),
        "map_median_share": subject.map_median_share,
        "n_good": found.n_good,
        "n_defect": found.n_defect,
        "error": found.error,
        "out": out and str(out),
    }


def _words(facts: dict[str, Any], found: Evaluation, resize_px: int) -> list[str]:
    masks = "any trace in a mask counts" if any(each.image.any_value_marks for each in found.scored) else "masks floored"
    official = f"official: short side {resize_px}, {OFFICIAL_PX} px from the middle, {masks}; not the line's scores"
    geometry = "standard: tiles, whole inspected range, masks at a half" if facts["protocol"] == "standard" else official
    share = facts["map_median_share"]
    lines = [
        f"protocol {geometry}",
        f"epoch chosen by: {facts['selection'] or 'not known'}",
        *(f"not as in the paper's script: {words}" for words in facts["deviations"]),
        *([f"maps: log odds, {share:g} of their median in the picture taken off"] if share else []),
        f"{found.n_good} good and {found.n_defect} defective pictures",
    ]
    for name, title in FIGURES:
        value = facts[name]
        error = found.error.get(name, 0.0)
        text = "-" if value is None else f"{100 * value:.2f} %" + (f" +- {100 * error:.2g} (binned)" if error else "")
        lines.append(f"{title:34}{text}")
    if found.false_alarms_at_threshold is not None:
        for title, value in (("F1", found.f1_at_threshold), ("recall", found.recall_at_threshold)):
            lines.append(f"{title + ' at the threshold':34}{'-' if value is None else f'{100 * value:.1f} %'}")
        lines.append(f"{'false alarms at the threshold':34}{found.false_alarms_at_threshold} of {found.n_good}")
    return lines


def _write_pictures(
    out: Path,
    folder: ScoreFolder,
    found: Evaluation,
    protocol: Protocol,
    resize_px: int,
    thresholds: tuple[float, ...] | None,
) -> None:
    """Histogram of scores; maps of defects from the lowest score to the highest, and of the highest good pictures."""
    good = sorted((each for each in found.scored if not each.image.defective), key=lambda each: -each.score)
    bad = sorted((each for each in found.scored if each.image.defective), key=lambda each: each.score)
    good_scores, bad_scores = (np.array([each.score for each in part], dtype=np.float64) for part in (good, bad))
    one = thresholds[0] if thresholds and len(set(thresholds)) == 1 else None  # several have no one place in the picture
    write_histogram(out / "scores.png", good_scores, bad_scores, one)
    places = sorted({round(place) for place in np.linspace(0, len(bad) - 1, PANELS)}) if bad else []
    panels = [_panel(each, folder, protocol, resize_px) for each in (*(bad[place] for place in places), *good[:PANELS])]
    write_panels(out / "maps.png", panels)


def _panel(each: Scored, folder: ScoreFolder, protocol: Protocol, resize_px: int) -> Panel:
    picture = read_image(each.image.path)
    mask = read_mask(each.image, *picture.shape[:2])
    if protocol == "official":
        picture, mask = official_crop(picture, resize_px), None if mask is None else official_crop(mask, resize_px)
    caption = f"{each.image.label}  {each.image.path.name}  score {each.score:.4f}"
    return Panel(picture, mask, folder.map(each.image), caption)
