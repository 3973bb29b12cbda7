"""The threshold card: from scores of good cloth to the thresholds in force, bound to one model and engine."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calibration.good import METRE_MM, GoodFrame, Samples, Unit, by_frame, by_metre
from calibration.limits import CONFIDENCE, OWN_TAIL_FROM, Ahead, Limit, limit
from calibration.optimism import Learned, corrected
from glass_core.errors import InputError
from glass_core.files.sealed import ChangedByHand, Sealed
from glass_core.files.whole_file import whole_file
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.split import MIN_CARD_SCORES

CARD_FILE = "card.json"
PREVIOUS_FILE = "card.previous.json"
_MAX_CARD_BYTES = 1 << 22
MAX_LANES = 160
"""More than a line has."""


class Model(BaseModel):
    """What the scores came from."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    weights_sha: str
    engine_sha: str
    backbone: str
    engine: str
    score_definition: ScoreDefinition


class Needs(BaseModel):
    """How much more good cloth makes the card final; metres are null where the length of a frame is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    frames: int
    metres: float | None


class GoodLook(BaseModel):
    """How one camera's good cloth looked and scored at calibration; what was not known then is null."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    level: float | None
    texture: float | None
    """Medians of what `look` tells of a picture."""
    share: float
    """Median of the frames' highest scores, each as a share of its lane's threshold."""
    middle_shares: tuple[float, float, float]
    """The 5 %, 50 % and 95 % quantile of the same of the frames' middle lane, which a single defect does not touch."""


class ThresholdCard(Sealed):
    """Thresholds for each lane, the samples behind them, and the false alarms to be expected.

    `unit` is what is counted: a metre of one lane, so that alarms of one lane which touch the same metre are one; or a
    lane of one frame, where lengths are not known or too little was seen. All figures are per 1000 metres of cloth (or per
    1000 frames), all lanes and all cameras of the source together. Lanes share one pooled limit until each has enough
    samples for its own.

    The upper bound is a prediction: in the next 1000 there will be no more at 95 % confidence, for any distribution of
    scores, if the cloth to come is as the cloth seen. `dispersion` is how much more than independent samples the number of
    high ones varied from metre to metre, `effective_samples` how many independent ones are worth as much; of frames
    independence is assumed. The threshold of a provisional card is an extrapolation; `needs` says what is missing until the
    bound meets the budget. `learned` tells of good cloth that the model has seen, null where none was offered.
    """

    schema_version: Literal[3] = Field(default=3, alias="schema")  # type: ignore[assignment]
    model: Model
    source: str
    unit: Unit
    budget_per_1000: float
    confidence: float
    frames: int
    metres: int | None
    """Seen by every camera; null where frames are counted."""
    lane_samples: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1, max_length=MAX_LANES)
    dispersion: float
    effective_samples: float
    limits_are: Literal["pooled", "per lane"]
    limits: tuple[Limit, ...] = Field(min_length=1)
    thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1, max_length=MAX_LANES)
    expected_false_alarms_per_1000: float
    upper_false_alarms_per_1000: float
    provisional: bool
    needs: Needs
    learned: Learned | None = None
    good: dict[str, GoodLook]
    """By camera; the empty name is any camera."""

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, body: Any) -> Any:
        """Cards of before learned cloth was used, and of before metres were counted: their upper bound was one of the rate."""
        if not isinstance(body, dict) or body.get("schema") not in (1, 2):
            return body
        if body["schema"] == 2:
            return body | {"schema": 3}
        figures = ("budget", "expected_false_alarms", "upper_false_alarms")
        names = {f"{figure}_per_1000_frames": f"{figure}_per_1000" for figure in figures}
        kept = {names.get(key, key): value for key, value in body.items()}
        try:
            limits = [{key: value for key, value in each.items() if key != "upper_rate"} for each in body["limits"]]
            samples = float(sum(body["lane_samples"]))
        except (KeyError, TypeError, AttributeError):
            raise ValueError("limits or lane_samples are none") from None
        new: dict[str, Any] = {"schema": 3, "metres": None, "dispersion": 1.0, "effective_samples": samples, "good": {}}
        return kept | new | {"limits": limits}

    @model_validator(mode="after")
    def _one_threshold_a_lane(self) -> Self:
        if len(self.thresholds) != len(self.lane_samples):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.lane_samples)} lanes")
        return self

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
            with whole_file(model / PREVIOUS_FILE) as part:
                part.write_bytes(path.read_bytes())
        with whole_file(path) as part:
            part.write_text(self.model_dump_json(indent=1, by_alias=True) + "\n")
        return path


def calibrate(frames: Sequence[GoodFrame], model: Model, budget_per_1000: float, source: str) -> ThresholdCard:
    """A card from good frames; the budget is of false alarms in 1000 metres where lengths are known, else in 1000 frames.

    Where frames differ in their number of lanes (cameras of different widths), a single threshold holds for all lanes.
    Where few frames are counted and all of them bring patches, an extrapolation is from those. Learned frames are used as
    `calibration.optimism` allows.
    `source` says where the frames came from. Raises InputError when there are too few frames, scores that are not finite, or
    no threshold that meets the budget.
    """
    if not 0 < budget_per_1000 < 1000:
        raise InputError(f"budget of {budget_per_1000:g} false alarms in 1000, --budget, give one between 0 and 1000")
    if not all(np.isfinite(frame.lanes).all() for frame in frames):
        raise InputError(f"a score that is not finite, {source}, check the model with `glassline train`")
    frames, learned = corrected(frames)
    single = by_frame(frames)
    if single.count < MIN_CARD_SCORES:
        raise InputError(f"only {len(frames)} good frames ({single.count} lane scores), {source}, give more good cloth")
    samples = by_metre(frames) or single
    of_metres = samples.unit == "metre of one lane"
    ahead_units = 1000 * max(1.0, 1 / budget_per_1000)  # so many that the budget is one alarm at least
    allowed = math.floor(budget_per_1000 * ahead_units / 1000 + 1e-9)
    lanes = samples.count / samples.units  # of the cloth, or of one frame on average
    each = Ahead(ahead_units * lanes / len(samples.by_lane), len(samples.by_lane), samples.dispersion)
    pooled = Ahead(ahead_units * lanes, 1, samples.dispersion)
    rank = each.rank(len(samples.by_lane[0]), allowed) if len(samples.by_lane[0]) >= MIN_CARD_SCORES else 0
    groups, ahead = (samples.by_lane, each) if rank else ((np.concatenate(samples.by_lane),), pooled)
    rank = rank or pooled.rank(samples.count, allowed)
    patches = [frame.patches for frame in frames if frame.patches is not None]
    few = samples is single and not rank and samples.count < OWN_TAIL_FROM
    finer = np.concatenate(patches) if few and len(patches) == len(frames) else None
    try:
        limits = [limit(scores, rank, allowed / (ahead_units * lanes), finer) for scores in groups]
    except ValueError as error:
        raise InputError(f"{error}, {source}, exclude the defects on the contact sheet, or train longer") from None
    thresholds = tuple(limits[lane % len(limits)].threshold for lane in range(len(samples.by_lane)))
    return ThresholdCard.sealed(
        model=model,
        source=source,
        unit=samples.unit,
        budget_per_1000=budget_per_1000,
        confidence=CONFIDENCE,
        frames=len(frames),
        metres=samples.units if of_metres else None,
        lane_samples=tuple(len(scores) for scores in samples.by_lane),
        dispersion=samples.dispersion,
        effective_samples=samples.count / samples.dispersion,
        limits_are="per lane" if len(limits) > 1 else "pooled",
        limits=tuple(limits),
        thresholds=thresholds,
        expected_false_alarms_per_1000=1000 / ahead_units * ahead.samples * sum(one.expected_rate for one in limits),
        upper_false_alarms_per_1000=1000 / ahead_units * ahead.upper(len(groups[0]), rank or 1),
        provisional=not rank,
        needs=Needs(frames=0, metres=0.0 if of_metres else None) if rank else _needs(frames, samples, ahead_units, allowed),
        learned=learned,
        good=_good(frames, thresholds),
    )


def _needs(frames: Sequence[GoodFrame], samples: Samples, ahead_units: float, allowed: int) -> Needs:
    """What is missing until the largest sample of all lanes together will do; in metres wherever lengths are known."""
    lengths_mm = [f.end_mm - f.start_mm for f in frames if f.start_mm is not None and f.end_mm is not None]
    if not lengths_mm:
        lanes = samples.count / samples.units
        return Needs(frames=_missing(Ahead(ahead_units * lanes), allowed, lanes, samples.units), metres=None)
    lanes = sum({f.camera: len(f.lanes) for f in frames}.values())
    seen = samples.units if samples.unit == "metre of one lane" else 0
    metres = _missing(Ahead(ahead_units * lanes, 1, samples.dispersion), allowed, lanes, seen)
    return Needs(frames=math.ceil(metres * METRE_MM / median(lengths_mm)), metres=float(metres))


def _missing(ahead: Ahead, allowed: int, lanes: float, units: int) -> int:
    return max(1, math.ceil(ahead.samples_needed(allowed) / lanes) - units)


def _good(frames: Sequence[GoodFrame], thresholds: tuple[float, ...]) -> dict[str, GoodLook]:
    """How each camera's good cloth looked and scored."""
    found = {}
    for camera in {frame.camera: None for frame in frames}:
        own = [frame for frame in frames if frame.camera == camera]
        looks = [(f.level, f.texture) for f in own if f.level is not None and f.texture is not None]
        most = max(len(f.lanes) for f in own)
        in_force = np.array([*thresholds, *[min(thresholds)] * most])  # a lane without its own is held to the strictest
        shares = [sorted((np.asarray(f.lanes) / in_force[: len(f.lanes)]).tolist()) for f in own]
        low, middle, high = (float(q) for q in np.quantile([middle_lane(each) for each in shares], (0.05, 0.5, 0.95)))
        level, texture = (median(values) for values in zip(*looks, strict=True)) if looks else (None, None)
        share = median(each[-1] for each in shares)
        found[camera] = GoodLook(level=level, texture=texture, share=share, middle_shares=(low, middle, high))
    return found


def middle_lane(shares: Sequence[float]) -> float:
    """Of lanes in rising order; of two the lower."""
    return shares[(len(shares) - 1) // 2]


def load_card(model: Path, required: bool = True) -> ThresholdCard | None:
    """The card of a model's folder; without one None, or InputError where it is required. A damaged card is refused."""
    path = model / CARD_FILE
    if not path.exists() and not required:
        return None
    try:
        if path.stat().st_size > _MAX_CARD_BYTES:
            raise InputError(f"threshold card too large to be one, {path}, calibrate the model again")
        return ThresholdCard.opened(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"no threshold card, {model}, run `glassline calibrate threshold {model}`") from None
    except OSError as error:
        raise InputError(f"unreadable threshold card ({error.strerror}), {path}, check its permissions") from None
    except ValidationError as error:
        raise InputError(f"damaged threshold card ({error.errors()[0]['msg']}), {path}, calibrate again") from None
    except ChangedByHand:
        again = f"run `glassline calibrate threshold {model}` again"
        raise InputError(f"threshold card changed by hand, {path}, {again}") from None


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else str(value)
