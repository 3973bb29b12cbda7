"""`glassline calibrate threshold`: from held-out good cloth to the card without which no model judges."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from calibration.good import GoodFrame
from calibration.observed import VERDICTS, observed
from calibration.threshold import CARD_FILE, Model, ThresholdCard, calibrate
from glass_core.backbones import untrained_title
from glass_core.engines import load_engine
from glass_core.errors import InputError
from glass_core.network.checkpoint import read_info
from glass_core.pictures.datasets import list_images
from glass_core.pictures.exclusions import EXCLUDE_FILE, read_exclusions
from glass_core.pictures.split import SplitImage, file_sha256, load_split, own_split
from glass_core.pictures.tiling import PATCH_PX
from pipeline.cameras.recording import INDEX, RecordedFrame, Recording, picture_name
from pipeline.report.reviewed import DefectsWouldPass, reviewed
from tools.verbs import calibrate_camera
from tools.verbs.train import KEY_DIGITS, refused_writes, show_suspects

SECTION = "calibration"
SHEET = "contact_sheet_calibration.png"
BUDGET = 1.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("calibrate", help="make the cards that a line needs")
    kinds = p.add_subparsers(dest="kind", required=True, metavar="KIND")
    calibrate_camera.add(kinds)
    t = kinds.add_parser("threshold", help="set thresholds from good cloth that training has not seen")
    t.add_argument("model", type=Path, metavar="MODEL", help="a trained RUN or a BUNDLE; the card is written into it")
    t.add_argument(
        "good", type=Path, nargs="?", metavar="GOOD",
        help="good pictures, a recording, or the OUT of `run --observe` (default: the run's held-out pictures)",
    )  # fmt: skip
    t.add_argument(
        "--budget", type=float, default=BUDGET, metavar="N",
        help="false alarms in 1000 m of the cloth's whole width, or in 1000 frames where lengths are not known (default: 1)",
    )  # fmt: skip
    t.add_argument(
        "--from-review", action="store_true",
        help="GOOD is the folder of a run in which every defect has been reviewed: false alarms count as good cloth, and a "
        "card that would let a confirmed defect pass is refused",
    )  # fmt: skip
    t.add_argument("--json", action="store_true", help="print one JSON object")
    t.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a card in MODEL, also when it is provisional; 1 where a defect that people confirmed would pass."""
    if args.from_review and args.good is None:
        raise InputError("--from-review without a folder, the command line, name the folder of a reviewed run")
    try:
        with refused_writes(args.model):
            card = calibrate_run(args.model, args.good, args.budget, Console(stderr=True), args.from_review)
    except DefectsWouldPass as e:
        print(f"glassline: {e}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({**card.model_dump(mode="json"), "schema": 1, "card": str(args.model / CARD_FILE)}))
    else:
        print("\n".join(_words(card, args.model)))
    return 0


def calibrate_run(model: Path, good: Path | None, budget: float, console: Console, from_review: bool = False) -> ThresholdCard:
    """Scores good cloth with the model's engine of this machine, and leaves card.json in the model's folder.

    From a review the scores are those on record, and known defects are replayed: DefectsWouldPass, and the old card stays.
    """
    engine = load_engine(model)
    info = read_info(model)
    if info.config is not None and info.config.input == "crop":
        raise InputError(f"a model of resized crops, which a line does not see, {model}, train one with input: tiles")
    excluded = read_exclusions(model)
    review = reviewed(good, engine) if good is not None and from_review else None
    if review is not None:
        frames = review.frames
    elif good is not None and (good / VERDICTS).is_file():
        frames = observed(good / VERDICTS, model, engine, excluded, console)
    else:
        images = held_out(model) if good is None else _given(model, good, console)
        kept = [image for image in images if image.sha256[:KEY_DIGITS] not in excluded]
        if len(kept) < len(images):
            console.print(
                f"{len(images) - len(kept)} pictures are left out, as marked in {model / EXCLUDE_FILE}", soft_wrap=True
            )
        scored = show_suspects(model, SECTION, SHEET, engine, kept, console)
        frames = _placed(zip((image.path for image in kept), scored, strict=True))
    origin = Model(
        weights_sha=engine.weights_sha,
        engine_sha=engine.sha,
        backbone=info.arch,
        engine=f"{engine.backend} {engine.precision} on {engine.device}",
        score_definition=engine.definition,
    )
    card = calibrate(frames, origin, budget, str(good or "held-out pictures of the run"))
    if review is not None:
        review.replay(card)
    card.save(model)
    return card


def held_out(model: Path, also_selection: bool = False) -> tuple[SplitImage, ...]:
    """The pictures that training put aside for calibration, if asked those that chose the epoch as well, unchanged since."""
    parts = own_split(model, read_info(model).split_digest)
    pictures = (*parts.calibration, *parts.selection) if also_selection else parts.calibration
    for image in pictures:
        if file_sha256(image.path) != image.sha256:
            raise InputError(f"a picture has changed since training, {image.path}, restore it or train again")
    return pictures


def _given(model: Path, good: Path, console: Console) -> list[SplitImage]:
    """The pictures of a folder or recording, less those that training has seen: their scores are too low.

    What a model that was trained elsewhere has seen is not known.
    """
    images = [SplitImage(path=path, sha256=file_sha256(path)) for path in list_images(good)]
    seen = {image.sha256 for image in load_split(model).train} if read_info(model).split_digest else set()
    unseen = [image for image in images if image.sha256 not in seen]
    if len(unseen) < len(images):
        console.print(f"{len(images) - len(unseen)} pictures are left out: the model was trained on them")
    return unseen


def _placed(scored: Iterable[tuple[Path, GoodFrame]]) -> list[GoodFrame]:
    """The frames by camera and in the order of the web, where they are pictures of a recording."""
    recorded: dict[Path, dict[str, RecordedFrame]] = {}
    frames = []
    for path, frame in sorted(scored, key=lambda one: one[0]):
        folder = path.parent
        if folder not in recorded:
            lines = Recording(folder.parent).frames(folder.name) if (folder.parent / INDEX).is_file() else ()
            recorded[folder] = {picture_name(line.seq): line for line in lines}
        if line := recorded[folder].get(path.name):
            frame = replace(frame, camera=folder.name, start_mm=line.start_mm, end_mm=line.end_mm)
        frames.append(frame)
    return frames


def _words(card: ThresholdCard, model: Path) -> Sequence[str]:
    thresholds = sorted(set(card.thresholds))
    shown = f"{thresholds[0]:.4f}" + (f" to {thresholds[-1]:.4f}" if len(thresholds) > 1 else "")
    of = "m" if card.metres else "frames"
    seen = f"{card.metres} m ({card.frames} frames)" if card.metres else f"{card.frames} good frames"
    first = card.limits[0]
    rule = first.rule.replace("_", " ") + (f" of {first.patches} patches of about {PATCH_PX} px" if first.patches else "")
    words = [
        f"card: {model / CARD_FILE}",
        f"threshold {shown} ({card.limits_are}, {rule}) from {seen} of good cloth, "
        f"{sum(card.lane_samples)} samples of one lane, worth {card.effective_samples:.0f} independent ones",
        f"false alarms in 1000 {of}: {card.expected_false_alarms_per_1000:.2g} expected, "
        f"at most {card.upper_false_alarms_per_1000:.3g} with {card.confidence:.0%} confidence",
    ]
    if title := untrained_title(card.model.backbone):
        words.append(f"features: the {title}, not a trained network")
    if card.provisional:
        missing = f"{card.needs.frames} more good frames" if card.needs.metres is None else f"{card.needs.metres:.0f} m more"
        words.append(
            f"PROVISIONAL: the threshold is extrapolated; {missing} of good cloth are needed for at most "
            f"{card.budget_per_1000:g} in 1000 {of}; collect them with `glassline run CONFIG --observe`"
        )
    return words
