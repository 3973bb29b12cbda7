"""`glassline calibrate threshold`: from held-out good cloth to the card without which no model judges."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console

from calibration.threshold import CARD_FILE, Model, ThresholdCard, calibrate
from glass_core.checkpoint import read_info
from glass_core.contact_sheet import TILES_SHOWN
from glass_core.datasets import list_images
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError
from glass_core.exclusions import EXCLUDE_FILE, read_exclusions, write_exclusions
from glass_core.split import SplitImage, file_sha256, load_split
from tools import calibrate_camera
from tools.train import KEY_DIGITS, refused_writes, show_suspects

SECTION, OBSERVED = "calibration", "observed"
SHEET = "contact_sheet_calibration.png"
VERDICTS = "verdicts.jsonl"
BUDGET = 1.0


@dataclass(frozen=True)
class Samples:
    """Lane scores of good frames, where they came from, and the length of web of one."""

    lanes: list[list[float]]
    source: str
    frame_mm: float | None


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
    t.add_argument("--budget", type=float, default=BUDGET, metavar="N", help="false alarms in 1000 frames (default: 1)")
    t.add_argument("--json", action="store_true", help="print one JSON object")
    t.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 with a card in MODEL, also when it is provisional."""
    with refused_writes(args.model):
        card = calibrate_run(args.model, args.good, args.budget, Console(stderr=True))
    if args.json:
        print(json.dumps({**card.model_dump(mode="json", by_alias=True), "card": str(args.model / CARD_FILE)}))
    else:
        print("\n".join(_words(card, args.model)))
    return 0


def calibrate_run(model: Path, good: Path | None, budget: float, console: Console) -> ThresholdCard:
    """Scores good cloth with the model's engine of this machine, and leaves card.json in the model's folder."""
    engine = load_engine(model)
    info = read_info(model)
    if info.config is not None and info.config.input == "crop":
        raise InputError(f"a model of resized crops, which a line does not see, {model}, train one with input: tiles")
    excluded = read_exclusions(model)
    if good is not None and (good / VERDICTS).is_file():
        samples = _observed(good / VERDICTS, model, engine, excluded, console)
    else:
        images = held_out(model) if good is None else _given(model, good, console)
        kept = [image for image in images if image.sha256[:KEY_DIGITS] not in excluded]
        if len(kept) < len(images):
            console.print(
                f"{len(images) - len(kept)} pictures are left out, as marked in {model / EXCLUDE_FILE}", soft_wrap=True
            )
        lanes = show_suspects(model, SECTION, SHEET, engine, kept, console)
        samples = Samples(lanes, str(good or "held-out pictures of the run"), _frame_mm(image.path for image in kept))
    origin = Model(
        weights_sha=engine.weights_sha,
        engine_sha=engine.sha,
        backbone=info.arch,
        engine=f"{engine.backend} {engine.precision} on {engine.device}",
        score_definition=engine.definition,
    )
    card = calibrate([np.array(scores) for scores in samples.lanes], origin, budget, samples.source, samples.frame_mm)
    card.save(model)
    return card


def held_out(model: Path) -> tuple[SplitImage, ...]:
    """The pictures that training put aside for calibration, unchanged since."""
    parts = load_split(model)
    if parts.digest != read_info(model).split_digest:
        raise InputError(f"split.json is not that of the model, {model}, train again or name good pictures")
    for image in parts.calibration:
        if file_sha256(image.path) != image.sha256:
            raise InputError(f"a picture has changed since training, {image.path}, restore it or train again")
    return parts.calibration


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


def _observed(path: Path, model: Path, engine: Engine, excluded: frozenset[str], console: Console) -> Samples:
    """Lane scores that `run --observe` kept, by this model and engine."""
    lanes, lengths_mm, ranked = [], [], []
    foreign = broken = 0
    for verdict in _verdicts(path):
        scores = verdict.get("lane_scores")
        if not scores:
            continue
        key = f"{verdict['camera']}/{verdict['boot_id']}/{verdict['seq']}"
        if (verdict.get("weights_sha"), verdict.get("engine_sha")) != (engine.weights_sha, engine.sha):
            foreign += 1
        elif any(score is None for score in scores):
            broken += 1
        elif key not in excluded:
            lanes.append(scores)
            ranked.append((max(scores), key))
            if verdict.get("start_mm") is not None and verdict.get("end_mm") is not None:
                lengths_mm.append(verdict["end_mm"] - verdict["start_mm"])
    if foreign or broken:
        console.print(f"left out: {foreign} frames scored by another model or engine, {broken} with scores not finite")
    if not lanes:
        raise InputError(f"no scores of this model by this machine's engine, {path}, observe with {model} first")
    ranked.sort(reverse=True)
    write_exclusions(model, OBSERVED, [(key, f"score {score:.4f}") for score, key in ranked[:TILES_SHOWN]])
    return Samples(lanes, str(path.parent), median(lengths_mm) if lengths_mm else None)


def _verdicts(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of verdicts.jsonl; a last line cut short by a crash is left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            if number < len(lines):
                raise InputError(f"line {number} is not JSON, {path}, remove the line") from None


def _frame_mm(images: Iterable[Path]) -> float | None:
    """The median length of web of a recording's frames; None where pictures carry no lengths."""
    lengths: list[float] = []
    for folder in {image.parent for image in images}:
        frames = folder / "frames.jsonl"
        if frames.is_file():
            spans = ((frame.get("start_mm"), frame.get("end_mm")) for frame in _verdicts(frames))
            lengths += [end - start for start, end in spans if start is not None and end is not None]
    return median(lengths) if lengths else None


def _words(card: ThresholdCard, model: Path) -> Sequence[str]:
    thresholds = sorted(set(card.thresholds))
    shown = f"{thresholds[0]:.4f}" + (f" to {thresholds[-1]:.4f}" if len(thresholds) > 1 else "")
    words = [
        f"card: {model / CARD_FILE}",
        f"threshold {shown} ({card.limits_are}, {card.limits[0].rule.replace('_', ' ')}) "
        f"from {card.frames} good frames, {sum(card.lane_samples)} lane scores",
        f"false alarms in 1000 frames: {card.expected_false_alarms_per_1000_frames:.2g} expected, "
        f"at most {card.upper_false_alarms_per_1000_frames:.3g} with {card.confidence:.0%} confidence",
    ]
    if card.model.backbone == "embedded":
        words.append("features: the embedded filter bank, not a trained network")
    if card.provisional:
        metres = "" if card.needs.metres is None else f" ({card.needs.metres:.1f} m)"
        words.append(
            f"PROVISIONAL: the threshold is extrapolated; {card.needs.frames} more good frames{metres} are needed for a "
            f"bound of {card.budget_per_1000_frames:g}; collect them with `glassline run CONFIG --observe`"
        )
    return words
