"""The threshold card: from scores of good cloth to the thresholds in force, bound to one model and engine."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from calibration.limits import CONFIDENCE, LEAST_SAMPLES, Limit, limit, samples_needed
from glass_core.errors import InputError
from glass_core.scoring import ScoreDefinition
from glass_core.sealed import Sealed

CARD_FILE = "card.json"
PREVIOUS_FILE = "card.previous.json"
_MAX_CARD_BYTES = 1 << 22


class Model(BaseModel):
    """What the scores came from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights_sha: str
    engine_sha: str
    backbone: str
    engine: str
    score_definition: ScoreDefinition


class Needs(BaseModel):
    """How much more good cloth makes the card final; metres are null where the length of a frame is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames: int
    metres: float | None


class ThresholdCard(Sealed):
    """Thresholds for each lane, the samples behind them, and the false alarms to be expected.

    A lane of one frame is the unit counted; each lane may raise budget / lanes false alarms in 1000 frames. Lanes share
    one pooled limit until each has enough samples for its own. The upper bound on false alarms holds at 95 % confidence
    for any distribution of scores, provided lanes and frames are independent draws of the cloth to come. The threshold
    of a provisional card is an extrapolation; `needs` says what is missing until the bound meets the budget.
    """

    model: Model
    source: str
    unit: Literal["lane of one frame"] = "lane of one frame"
    budget_per_1000_frames: float
    confidence: float
    frames: int
    lane_samples: tuple[int, ...]
    limits_are: Literal["pooled", "per lane"]
    limits: tuple[Limit, ...]
    thresholds: tuple[float, ...]
    expected_false_alarms_per_1000_frames: float
    upper_false_alarms_per_1000_frames: float
    provisional: bool
    needs: Needs

    @property
    def weights_sha(self) -> str:
        return self.model.weights_sha

    @property
    def engine_sha(self) -> str:
        return self.model.engine_sha

    @property
    def score_definition(self) -> ScoreDefinition:
        return self.model.score_definition

    def check(self, weights_sha: str, engine_sha: str, definition: ScoreDefinition) -> None:
        """Raises InputError unless the card was made with these weights, this engine and this score definition."""
        pairs = {
            "weights": (self.weights_sha, weights_sha),
            "engine": (self.engine_sha, engine_sha),
            "tiling": (self.score_definition.tiling, definition.tiling),
            "inspected range": (self.score_definition.inspect_x_px, definition.inspect_x_px),
            "score": (self.score_definition.score, definition.score),
        }
        for what, (of_card, in_use) in pairs.items():
            if of_card != in_use:
                raise InputError(
                    f"the threshold card was made with another {what}, {_short(of_card)} instead of {_short(in_use)}, "
                    "run `glassline calibrate threshold` with this model on this machine"
                )

    def save(self, model: Path) -> Path:
        """Writes card.json into a model's folder, whole or not at all; the one before stays as card.previous.json."""
        path = model / CARD_FILE
        if path.exists():
            kept = model / f".{PREVIOUS_FILE}.part"
            kept.write_bytes(path.read_bytes())
            kept.replace(model / PREVIOUS_FILE)
        beside = model / f".{CARD_FILE}.part"
        beside.write_text(self.model_dump_json(indent=1, by_alias=True) + "\n")
        beside.replace(path)
        return path


def calibrate(
    lane_scores: Sequence[NDArray[np.floating]],
    model: Model,
    budget_per_1000_frames: float,
    source: str,
    frame_mm: float | None = None,
) -> ThresholdCard:
    """A card from the lane scores of good frames, one array (lanes,) for each frame.

    Where frames differ in their number of lanes (cameras of different widths), a single threshold holds for all lanes.
    `source` says where the frames came from; `frame_mm` is the length of web of one. Raises InputError when there are
    too few frames, scores that are not finite, or no threshold that meets the budget.
    """
    if not 0 < budget_per_1000_frames < 1000:
        raise InputError(f"budget of {budget_per_1000_frames:g} false alarms, 1000 frames, give one between 0 and 1000")
    samples = [np.asarray(scores, dtype=np.float64) for scores in lane_scores]
    pool = np.concatenate(samples) if samples else np.empty(0)
    if len(pool) < LEAST_SAMPLES:
        raise InputError(f"only {len(samples)} good frames ({len(pool)} lane scores), {source}, give more good cloth")
    if not np.isfinite(pool).all():
        raise InputError(f"a score that is not finite, {source}, check the model with `glassline train`")
    lanes_per_frame = len(pool) / len(samples)
    target = budget_per_1000_frames / 1000 / lanes_per_frame
    same_width = len({len(scores) for scores in samples}) == 1
    by_lane = np.stack(samples).T if same_width else pool[None, :]  # (lanes, frames)
    joint = 1 - (1 - CONFIDENCE) / len(by_lane)  # so that the sum of the lanes' bounds is a bound
    each_lane_enough = same_width and len(samples) >= samples_needed(target, joint)
    try:
        limits = [limit(scores, target, joint) for scores in by_lane] if each_lane_enough else [limit(pool, target)]
    except ValueError as error:
        raise InputError(f"{error}, {source}, exclude the defects on the contact sheet, or train longer") from None
    weight = 1000 * lanes_per_frame / len(limits)
    missing = max(0, math.ceil(samples_needed(target) / lanes_per_frame) - len(samples))
    return ThresholdCard.sealed(
        model=model,
        source=source,
        budget_per_1000_frames=budget_per_1000_frames,
        confidence=CONFIDENCE,
        frames=len(samples),
        lane_samples=tuple(len(scores) for scores in by_lane),
        limits_are="per lane" if each_lane_enough else "pooled",
        limits=tuple(limits),
        thresholds=tuple(limits[lane if each_lane_enough else 0].threshold for lane in range(len(by_lane))),
        expected_false_alarms_per_1000_frames=weight * sum(each.expected_rate for each in limits),
        upper_false_alarms_per_1000_frames=weight * sum(each.upper_rate for each in limits),
        provisional=any(each.rule == "tail_extrapolation" for each in limits),
        needs=Needs(frames=missing, metres=None if frame_mm is None else missing * frame_mm / 1000),
    )


def load_card(model: Path, required: bool = True) -> ThresholdCard | None:
    """The card of a model's folder; without one None, or InputError where it is required. A damaged card is refused."""
    path = model / CARD_FILE
    if not path.exists() and not required:
        return None
    try:
        if path.stat().st_size > _MAX_CARD_BYTES:
            raise InputError(f"threshold card too large to be one, {path}, calibrate the model again")
        card = ThresholdCard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"no threshold card, {model}, run `glassline calibrate threshold {model}`") from None
    except OSError as error:
        raise InputError(f"unreadable threshold card ({error.strerror}), {path}, check its permissions") from None
    except ValidationError as error:
        raise InputError(f"damaged threshold card ({error.errors()[0]['msg']}), {path}, calibrate again") from None
    if card.sha != card.content_sha():
        raise InputError(f"threshold card changed by hand, {path}, run `glassline calibrate threshold {model}` again")
    return card


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else str(value)
