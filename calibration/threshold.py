"""The threshold card: from scores of good cloth to the thresholds in force, bound to one model and engine."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calibration.false_alarms import AREA_M2, FRAMES, Budget, FalseAlarms, Per
from calibration.good import METRE_MM, GoodFrame, Samples, Unit, by_frame, by_metre, width_m
from calibration.limits import CONFIDENCE, OWN_TAIL_FROM, Ahead, Limit, limit, logit
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
    levels: tuple[float, float, float] | None = None
    """The same quantiles of the frames' `level_of`; null on cards of before, whose thresholds follow no roll."""

    def raised_by(self, level: float) -> float:
        """By how much, in log odds, the thresholds of cloth at that level are raised: what lies above the card's range.

        At most by the range's own width: so much did good cloth vary from frame to frame, and what varies more is other cloth.
        """
        if self.levels is None:
            return 0.0
        low, _, high = self.levels
        return min(max(level - high, 0.0), high - low)


class ThresholdCard(Sealed):
    """Thresholds for each lane, the samples behind them, and the false alarms to be expected.

    `unit` is what is counted: a metre of one lane, so that alarms of one lane which touch the same metre are one; or a
    lane of one frame, where lengths are not known or too little was seen. False alarms are told in 100 m2 of cloth, in 1000
    frames where the scale of any frame is not known, all lanes and all cameras of the source together; cards of schema 2 told
    them in 1000 m. Lanes share one pooled limit until each has enough samples for its own.

    The upper bound is a prediction: in the next 100 m2 (or 1000 frames) there will be no more at 95 % confidence, for any
    distribution of scores, if the cloth to come is as the cloth seen. `dispersion` is how much more than independent samples
    the number of high ones varied from metre to metre, `effective_samples` how many independent ones are worth as much; of
    frames independence is assumed. The threshold of a provisional card is an extrapolation; `needs` says what is missing until
    the bound meets the budget. `learned` tells of good cloth that the model has seen, null where none was offered.
    """

    schema_version: Literal[3] = Field(default=3, alias="schema")  # type: ignore[assignment]
    model: Model
    source: str
    unit: Unit
    mm_per_px: float | None = None
    """Of pictures that do not tell their scale, as was said at calibration."""
    false_alarms_per_100_m2: FalseAlarms | None = None
    false_alarms_per_1000_frames: FalseAlarms | None = None
    false_alarms_per_1000_m: FalseAlarms | None = None
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
        end = "_frames" if body["schema"] == 1 else ""
        names = {f"budget_per_1000{end}": "budget"}
        names |= {f"{figure}_false_alarms_per_1000{end}": figure for figure in ("expected", "upper")}
        figures = {name: body[key] for key, name in names.items() if key in body}
        kept = {key: value for key, value in body.items() if key not in names}
        of = "frames" if kept.get("metres") is None else "m"
        kept |= {"schema": 3, f"false_alarms_per_1000_{of}": figures}
        if body["schema"] == 2:
            return kept
        try:
            limits = [{key: value for key, value in each.items() if key != "upper_rate"} for each in body["limits"]]
            samples = float(sum(body["lane_samples"]))
        except (KeyError, TypeError, AttributeError):
            raise ValueError("limits or lane_samples are none") from None
        return kept | {"metres": None, "dispersion": 1.0, "effective_samples": samples, "good": {}, "limits": limits}

    @model_validator(mode="after")
    def _one_threshold_a_lane(self) -> Self:
        if len(self.thresholds) != len(self.lane_samples):
            raise ValueError(f"{len(self.thresholds)} thresholds for {len(self.lane_samples)} lanes")
        if sum(figures is not None for figures in self._figures.values()) != 1:
            raise ValueError("false alarms are told in none or in several units")
        return self

    @property
    def _figures(self) -> dict[Per, FalseAlarms | None]:
        return {
            "100 m2": self.false_alarms_per_100_m2,
            "1000 frames": self.false_alarms_per_1000_frames,
            "1000 m": self.false_alarms_per_1000_m,
        }

    @property
    def per(self) -> Per:
        """Of how much cloth the false alarms are told."""
        return next(per for per, figures in self._figures.items() if figures is not None)

    @property
    def false_alarms(self) -> FalseAlarms:
        """In so much cloth."""
        return next(figures for figures in self._figures.values() if figures is not None)

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


def calibrate(
    frames: Sequence[GoodFrame], model: Model, budget: Budget, source: str, mm_per_px: float | None = None
) -> ThresholdCard:
    """A card from good frames; the budget is of false alarms in 100 m2 where all areas are known, else in 1000 frames.

    Where frames differ in their number of lanes (cameras of different widths), a single threshold holds for all lanes.
    Where few frames are counted and all of them bring patches, an extrapolation is from those. Learned frames are used as
    `calibration.optimism` allows.
    `source` says where the frames came from, `mm_per_px` what scale was named for them. Raises InputError when there are too
    few frames, scores that are not finite, or no threshold that meets the budget.
    """
    if not all(np.isfinite(frame.lanes).all() for frame in frames):
        raise InputError(f"a score that is not finite, {source}, check the model with `glassline train`")
    frames, learned = corrected(frames)
    single = by_frame(frames)
    if single.count < MIN_CARD_SCORES:
        raise InputError(f"only {len(frames)} good frames ({single.count} lane scores), {source}, give more good cloth")
    samples = by_metre(frames) or single
    by_area = samples.area_m2 is not None
    in_view = _samples_in_view(frames, samples)
    accepted = budget.per_100_m2 if by_area else budget.per_1000_frames
    if not 0 < accepted < in_view:
        option = f"--false-alarms-per-{'100-m2' if by_area else '1000-frames'}"
        raise InputError(
            f"budget of {accepted:g} false alarms, {option}, give one between 0 and {in_view:g}, all samples there"
        )
    longer = max(1.0, 1 / accepted)  # so much more cloth that the budget is one alarm at least
    ahead_samples, allowed = in_view * longer, math.floor(accepted * longer + 1e-9)
    each = Ahead(ahead_samples / len(samples.by_lane), len(samples.by_lane), samples.dispersion)
    pooled = Ahead(ahead_samples, 1, samples.dispersion)
    rank = each.rank(len(samples.by_lane[0]), allowed) if len(samples.by_lane[0]) >= MIN_CARD_SCORES else 0
    groups, ahead = (samples.by_lane, each) if rank else ((np.concatenate(samples.by_lane),), pooled)
    rank = rank or pooled.rank(samples.count, allowed)
    patches = [frame.patches for frame in frames if frame.patches is not None]
    few = samples is single and not rank and samples.count < OWN_TAIL_FROM
    finer = np.concatenate(patches) if few and len(patches) == len(frames) else None
    try:
        limits = [limit(scores, rank, allowed / ahead_samples, finer) for scores in groups]
    except ValueError as error:
        raise InputError(f"{error}, {source}, exclude the defects on the contact sheet, or train longer") from None
    thresholds = tuple(limits[lane % len(limits)].threshold for lane in range(len(samples.by_lane)))
    told = FalseAlarms(
        budget=accepted,
        expected=ahead.samples * sum(one.expected_rate for one in limits) / longer,
        upper=ahead.upper(len(groups[0]), rank or 1) / longer,
    )
    metres = samples.units if samples.unit == "metre of one lane" else None
    return ThresholdCard.sealed(
        model=model,
        source=source,
        unit=samples.unit,
        mm_per_px=mm_per_px,
        false_alarms_per_100_m2=told if by_area else None,
        false_alarms_per_1000_frames=None if by_area else told,
        confidence=CONFIDENCE,
        frames=len(frames),
        metres=metres,
        lane_samples=tuple(len(scores) for scores in samples.by_lane),
        dispersion=samples.dispersion,
        effective_samples=samples.count / samples.dispersion,
        limits_are="per lane" if len(limits) > 1 else "pooled",
        limits=tuple(limits),
        thresholds=thresholds,
        provisional=not rank,
        needs=Needs(frames=0, metres=metres and 0.0) if rank else _needs(frames, samples, longer, allowed),
        learned=learned,
        good=_good(frames, thresholds),
    )


def _samples_in_view(frames: Sequence[GoodFrame], samples: Samples) -> float:
    """How many samples of all lanes there are in AREA_M2 of cloth, or in so many FRAMES where areas are not known."""
    if samples.area_m2 is None:
        return FRAMES * samples.count / len(frames)
    return AREA_M2 / samples.area_m2 * samples.count / samples.units


def _needs(frames: Sequence[GoodFrame], samples: Samples, longer: float, allowed: int) -> Needs:
    """What is missing until the largest sample of all lanes together will do; in metres wherever lengths are known."""
    lengths_mm = [frame.length_mm for frame in frames if frame.length_mm is not None]
    lanes, ahead = samples.count / samples.units, longer * _samples_in_view(frames, samples)
    if not lengths_mm:
        return Needs(frames=_missing(Ahead(ahead), allowed, lanes, samples.units), metres=None)
    length_mm, seen = median(lengths_mm), samples.units
    if samples.unit == "lane of one frame":  # too little was seen for metres, and yet they will be counted
        lanes, seen = sum({f.camera: len(f.lanes) for f in frames}.values()), 0
        width = width_m(frames)
        in_view = FRAMES * samples.count / len(frames) * length_mm / METRE_MM if width is None else AREA_M2 / width * lanes
        ahead = longer * in_view
    metres = _missing(Ahead(ahead, 1, samples.dispersion), allowed, lanes, seen)
    return Needs(frames=math.ceil(metres * METRE_MM / length_mm), metres=float(metres))


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
        levels = [level_of(f.lanes, in_force[: len(f.lanes)]) for f in own]
        least, usual, most_high = (float(q) for q in np.quantile(levels, (0.05, 0.5, 0.95)))
        found[camera] = GoodLook(
            level=level, texture=texture, share=share, middle_shares=(low, middle, high), levels=(least, usual, most_high)
        )  # fmt: skip
    return found


def level_of(lanes: Sequence[float] | NDArray[np.floating], thresholds: Sequence[float] | NDArray[np.floating]) -> float:
    """How far a frame's middle lane lies above its threshold, in log odds: below 0 for good cloth."""
    above = logit(np.asarray(lanes, dtype=np.float64)) - logit(np.asarray(thresholds, dtype=np.float64))  # (lanes,)
    return middle_lane(sorted(above.tolist()))


def middle_lane(shares: Sequence[float]) -> float:
    """Of lanes in rising order; of two the lower."""
    return shares[(len(shares) - 1) // 2]


def load_card(model: Path, required: bool = True) -> ThresholdCard | None:
    """The card of a model's folder; without one None, or InputError where it is required. A damaged card is refused."""
    path = model / CARD_FILE
    return read_card(path) if required or path.exists() else None


def read_card(path: Path) -> ThresholdCard:
    """The card in a file; InputError where there is none, or it is damaged."""
    try:
        if path.stat().st_size > _MAX_CARD_BYTES:
            raise InputError(f"threshold card too large to be one, {path}, calibrate the model again")
        return ThresholdCard.opened(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"no threshold card, {path.parent}, run `glassline calibrate threshold {path.parent}`") from None
    except OSError as error:
        raise InputError(f"unreadable threshold card ({error.strerror}), {path}, check its permissions") from None
    except ValidationError as error:
        raise InputError(f"damaged threshold card ({error.errors()[0]['msg']}), {path}, calibrate again") from None
    except ChangedByHand:
        again = f"run `glassline calibrate threshold {path.parent}` again"
        raise InputError(f"threshold card changed by hand, {path}, {again}") from None


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else str(value)
