"""`glassline evaluate`: how well a model tells the good and defective pictures of a test set apart, and where."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glass_core
from calibration.threshold import CARD_FILE, load_card
from glass_core.engines import Engine
from glass_core.errors import InputError
from glass_core.evaluation.measure import OFFICIAL_PX
from glass_core.evaluation.score_folder import EVALUATION_FILE, MAPS, SCORES_FILE
from tools.verbs.display import Display
from tools.verbs.out import add_out, claimed_out

if TYPE_CHECKING:
    from glass_core.evaluation.evaluate import Evaluated

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
    add_out(p, "DIR", "leave scores, maps and pictures there")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 whatever the figures are."""
    with claimed_out(args, EVALUATION_FILE, SCORES_FILE, MAPS), Display() as display:
        thresholds = partial(_thresholds, args.run, display)
        found = glass_core.evaluate(args.run, args.data, args.protocol, args.crops, args.out, thresholds, display)
    if args.json:
        print(json.dumps(found.facts))
    else:
        print("\n".join(_words(found.facts, found)))
    return 0


def _thresholds(run: Path, display: Display, engine: Engine) -> tuple[float, ...] | None:
    """A card counts where it was made for the very same scores."""
    card = load_card(run, required=False)
    if card is None:
        display.say(f"no {CARD_FILE} in {run}: no figures at a threshold")
        return None
    try:
        card.check(engine.weights_sha, engine.sha, engine.definition)
    except InputError as error:
        display.say(f"no figures at a threshold: {error}")
        return None
    return card.thresholds


def _words(facts: dict[str, Any], evaluated: Evaluated) -> list[str]:
    found = evaluated.figures
    masks = "any trace in a mask counts" if any(each.image.any_value_marks for each in found.scored) else "masks floored"
    official = f"official: short side {evaluated.resize_px}, {OFFICIAL_PX} px from the middle, {masks}; not the line's scores"
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
