"""`glassline calibrate threshold`: from held-out good cloth to the card without which no model judges."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import calibration
from calibration.false_alarms import Budget
from calibration.model_card import DEFAULT
from calibration.optimism import Learned
from calibration.threshold import CARD_FILE, ThresholdCard
from glass_core.backbones import untrained_title
from glass_core.errors import InputError
from glass_core.events import LeftOut
from glass_core.pictures.tiling import PATCH_PX
from pipeline.cameras.good_frames import unpack_good
from pipeline.cameras.placing import Placing
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig
from pipeline.ledger.widths import inspected_widths_mm
from pipeline.recording.contents import is_mcap
from pipeline.report.reviewed import DefectsWouldPass, reviewed
from pipeline.supervision.signals import interrupted
from tools.verbs import calibrate_camera
from tools.verbs.display import Display
from tools.verbs.next_step import after_calibrate


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("calibrate", help="make the cards that a line needs")
    kinds = p.add_subparsers(dest="kind", required=True, metavar="KIND")
    calibrate_camera.add(kinds)
    t = kinds.add_parser("threshold", help="set thresholds from good cloth")
    t.add_argument("model", type=Path, metavar="MODEL", help="a trained RUN or a BUNDLE; the card is written into it")
    t.add_argument(
        "good", type=Path, nargs="?", metavar="GOOD",
        help="good pictures, a recording (of one in MCAP the frames that passed), or the OUT of `run --observe` "
        "(default: the run's own pictures)",
    )  # fmt: skip
    t.add_argument(
        "--false-alarms-per-100-m2", type=float, default=DEFAULT.per_100_m2, metavar="N",
        help=f"how many are accepted, by the cloth's inspected area (default: {DEFAULT.per_100_m2:g})",
    )  # fmt: skip
    t.add_argument(
        "--false-alarms-per-1000-frames", type=float, default=DEFAULT.per_1000_frames, metavar="N",
        help=f"how many are accepted where no scale is known (default: {DEFAULT.per_1000_frames:g})",
    )  # fmt: skip
    t.add_argument(
        "--mm-per-px", type=float, metavar="MM", help="scale of pictures that do not tell it (recordings and runs do)"
    )
    t.add_argument(
        "--config", type=Path, metavar="CONFIG", help="YAML of the line: the scale of its cameras is that of such pictures"
    )
    t.add_argument("--budget", help=argparse.SUPPRESS)  # answered until the next release
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
    if args.budget is not None:
        new = "--false-alarms-per-100-m2 N or, where no scale is known, --false-alarms-per-1000-frames N"
        raise InputError(f"--budget is no option any more, the command line, give {new}")
    budget = Budget(args.false_alarms_per_100_m2, args.false_alarms_per_1000_frames)
    review = reviewed if args.from_review else None
    line = load_config(args.config) if args.config else None
    mm_per_px = args.mm_per_px if args.mm_per_px is not None or line is None else _scale_of(line)
    try:
        with Display() as display, _pictures_of(args.good, args.from_review, display) as good:
            card = calibration.calibrate_threshold(
                args.model, good, budget, display, Placing(), review, inspected_widths_mm, mm_per_px, str(args.good or "")
            )
    except DefectsWouldPass as e:
        print(f"glassline: {e}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({**card.model_dump(mode="json"), "schema": 1, "card": str(args.model / CARD_FILE)}))
    else:
        print("\n".join(_words(card, args.model)))
        print(after_calibrate(args.model, args.config, line))
    return 0


@contextmanager
def _pictures_of(good: Path | None, from_review: bool, report: Callable[[LeftOut], None]) -> Iterator[Path | None]:
    """The same; of a recording in MCAP its good frames, in a folder that goes afterwards."""
    if good is None or not is_mcap(good):
        yield good
        return
    if from_review:
        raise InputError(f"--from-review of a recording, {good}, name the folder of its run: what people said is there")
    with interrupted(), TemporaryDirectory(prefix="glassline-calibrate-") as place:
        if left := unpack_good(good, Path(place) / "good"):
            report(left)
        yield Path(place) / "good"


def _scale_of(line: LineConfig) -> float | None:
    """Of all its cameras, along and across; none where they differ or one does not say it."""
    scales = {mm for camera in line.cameras for mm in (camera.mm_per_px_x, camera.mm_per_px_y)}
    return scales.pop() if len(scales) == 1 else None


def _words(card: ThresholdCard, model: Path) -> Sequence[str]:
    thresholds = sorted(set(card.thresholds))
    shown = f"{thresholds[0]:.4f}" + (f" to {thresholds[-1]:.4f}" if len(thresholds) > 1 else "")
    seen = f"{card.metres} m ({card.frames} frames)" if card.metres else f"{card.frames} good frames"
    first = card.limits[0]
    rule = first.rule.replace("_", " ") + (f" of {first.patches} patches of about {PATCH_PX} px" if first.patches else "")
    words = [
        f"card: {model / CARD_FILE}",
        f"threshold {shown} ({card.limits_are}, {rule}) from {seen} of good cloth, "
        f"{sum(card.lane_samples)} samples of one lane, worth {card.effective_samples:.0f} independent ones",
        f"false alarms in {card.per}: {card.false_alarms.expected:.2g} expected, "
        f"at most {card.false_alarms.upper:.3g} with {card.confidence:.0%} confidence",
    ]
    if card.learned:
        words.append(_of_learned(card.learned))
    if card.per == "1000 frames":
        words.append(
            "no scale is known: give --mm-per-px, or a recording or run of cameras with a scale, for figures in 100 m2"
        )
    if title := untrained_title(card.model.backbone):
        words.append(f"features: the {title}, not a trained network")
    if card.provisional:
        missing = f"{card.needs.frames} more good frames" if card.needs.metres is None else f"{card.needs.metres:.0f} m more"
        words.append(
            f"PROVISIONAL: the threshold is extrapolated; {missing} of good cloth are needed for at most "
            f"{card.false_alarms.budget:g} in {card.per}; collect them with `glassline run CONFIG --observe`"
        )
    return words


def _of_learned(learned: Learned) -> str:
    """What the pictures that the model learned gave to the card."""
    if learned.left_out:
        return f"{learned.frames} pictures that the model learned are left out: {learned.left_out}"
    return (
        f"{learned.samples} of the samples are from {learned.frames} pictures that the model learned, raised by "
        f"{learned.raised_by:.2f} in log odds: others score {learned.optimism:+.2f} ± {learned.error:.2f} beside them"
    )
