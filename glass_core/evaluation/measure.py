"""Measures a system on a test set, picture by picture: its scores against labels and masks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.evaluation.metrics import PixelScores, image_figures, pointing
from glass_core.evaluation.scores import Scores, score_picture
from glass_core.pictures.anomaly_map import smooth_map
from glass_core.pictures.datasets import TestImage, load_mask
from glass_core.pictures.masks import Mask
from glass_core.pictures.preprocess import preprocess_mask, resized_crop
from glass_core.pictures.reading import read_image
from glass_core.pictures.scoring import ScoreDefinition, Scorer

Protocol = Literal["standard", "official"]
OFFICIAL_PX, OFFICIAL_SIGMA_PX = 288, 4.0
_ZOOMED = {"toothbrush": 329, "wood": 329}
"""The official code enlarges these classes before it crops (docs/explanation/glass.md#the-profile-paper)."""


System = Callable[[TestImage, NDArray[np.uint8]], Scores]


@dataclass(frozen=True)
class Scored:
    """A test picture, its score, and whether the card in force calls it defective (None without a card)."""

    image: TestImage
    score: float
    alarm: bool | None


@dataclass(frozen=True)
class Evaluation:
    """The figures of a test set; null where they cannot be had. `false_alarms_at_threshold` counts good pictures.

    `f1_at_threshold` is of pictures as the card in force calls them, `image_f1_max` at the threshold that suits the set best.
    `pointing` is the share of the pictures with a marked defect in view whose map is highest there (metrics.pointing). Pixel
    figures and that need masks. `error` bounds what binning may have changed in a very large set (evaluation.metrics).
    """

    image_auroc: float | None
    image_ap: float | None
    image_f1_max: float | None
    pixel_auroc: float | None
    pixel_ap: float | None
    pro: float | None
    pro_official: float | None
    pointing: float | None
    f1_at_threshold: float | None
    recall_at_threshold: float | None
    false_alarms_at_threshold: int | None
    n_good: int
    n_defect: int
    error: dict[str, float]
    scored: tuple[Scored, ...]


def standard_system(engine: Scorer, definition: ScoreDefinition) -> System:
    """Scores as the line does: tiles of the inspected range, nothing resized (score_picture)."""
    return lambda image, picture: score_picture(engine, definition, picture)


def official_system(engine: Scorer, resize_px: int) -> System:
    """Scores as the official code does: short side resized, a square of 288 px cut from the middle, the rest not seen."""

    def score(image: TestImage, picture: NDArray[np.uint8]) -> Scores:
        cells = engine.score(official_crop(picture, resize_px)[None])[0]  # (36, 36) where cells have 8 px
        return Scores(float(cells.max()), (), smooth_map(cells, OFFICIAL_PX // len(cells), OFFICIAL_SIGMA_PX))

    return score


def official_resize_px(test_set: Path, images: Sequence[TestImage]) -> int:
    """The short side to which the official code resizes pictures of this class; 329 for two classes, but not of VisA."""
    visa = any(image.any_value_marks for image in images)
    return OFFICIAL_PX if visa else _ZOOMED.get(test_set.resolve().name, OFFICIAL_PX)


def trained_resize_px(config: TrainConfig | None, test_set: Path, images: Sequence[TestImage]) -> int:
    """The short side in the official protocol of a model's evaluation: a model of crops keeps to what it was trained with."""
    if config is not None and config.input == "crop":
        return config.resize_px
    return official_resize_px(test_set, images)


def official_crop(picture: NDArray[np.uint8], resize_px: int) -> NDArray[np.uint8]:
    """What the official protocol sees of a picture (H, W[, 3]): (288, 288[, 3])."""
    return np.ascontiguousarray(resized_crop(picture, resize_px, OFFICIAL_PX))


class OfficialTruth(NamedTuple):
    """A mask in the official geometry (288, 288): above a half, as the official code takes it, its sum of 1 - mask."""

    half: NDArray[np.bool_]
    floored: NDArray[np.bool_]
    background: float


def official_truth(mask: Mask, resize_px: int, any_value_marks: bool) -> OfficialTruth:
    """A mask (H, W) resized and cropped; the official code floors its values over 255, but takes any trace of one of VisA.

    So what is stored below 255 is nothing there, be it the number of a class.
    """
    marks, stored = (preprocess_mask(values, resize_px, OFFICIAL_PX).astype(np.float64) for values in (mask.marks, mask.stored))
    if any_value_marks:
        trace = resized_crop(mask.marks.astype(np.float32), resize_px, OFFICIAL_PX) > 0  # however faint, so nothing is rounded
        return OfficialTruth(marks > 0.5, trace, float((~trace).sum()))
    return OfficialTruth(marks > 0.5, stored == 1, float((1 - stored).sum()))


def measure(
    images: Iterable[TestImage],
    system: System,
    protocol: Protocol,
    resize_px: int = OFFICIAL_PX,
    thresholds: Sequence[float] | None = None,
    keep: Callable[[TestImage, Scores], None] | None = None,
) -> Evaluation:
    """Scores test pictures one at a time and returns their figures; memory does not grow with the size of the set.

    `thresholds`: of each lane of the card in force; a lane it does not know is held to the strictest, as on the line.
    `keep` is handed the scores of each picture. In the protocol "standard" a pixel is defective where its mask is above a
    half; in "official" masks go through the pictures' geometry, and pixel AUROC, AP and the official PRO take only those
    that stay entirely white (VisA: not black), while the standard PRO keeps to a half. Raises InputError for bad pictures,
    masks or scores.
    """
    exact, floored = PixelScores(), PixelScores()
    scored, masked, pointed = [], True, list[float]()
    for image in images:
        picture = read_image(image.path)
        scores = system(image, picture)
        if not np.isfinite(scores.score):
            raise InputError(f"a score that is not finite, {image.path}, check the model")
        alarm = None if thresholds is None else _alarm(scores.lanes, thresholds)
        scored.append(Scored(image, scores.score, alarm))
        if keep:
            keep(image, scores)
        mask = load_mask(image, *picture.shape[:2])
        if mask is None:
            masked = False
        if not masked or mask is None:
            continue
        if protocol == "official":
            truth = official_truth(mask, resize_px, image.any_value_marks)
            floored.add(_fitting(scores.map, truth.half.shape, image), truth.floored, truth.background)
            marked = truth.half
        else:
            marked = mask.marks > 127
        exact.add(_fitting(scores.map, marked.shape, image), marked)
        if (share := pointing(scores.map, marked)) is not None:
            pointed.append(share)
    return _summary(scored, exact, floored if protocol == "official" else exact, pointed, masked)


def _alarm(lanes: Sequence[float], thresholds: Sequence[float]) -> bool:
    strictest = min(thresholds)
    return any(lane > (thresholds[i] if i < len(thresholds) else strictest) for i, lane in enumerate(lanes))


def _fitting(pixels: NDArray[np.float32], shape: tuple[int, ...], image: TestImage) -> NDArray[np.float32]:
    if pixels.shape != shape:
        sizes = f"{pixels.shape[1]} x {pixels.shape[0]} px instead of {shape[1]} x {shape[0]}"
        raise InputError(f"a map of another size ({sizes}), {image.path}, write the map in the protocol's geometry")
    return pixels


def _summary(
    scored: Sequence[Scored], exact: PixelScores, floored: PixelScores, pointed: Sequence[float], masked: bool
) -> Evaluation:
    good = [each for each in scored if not each.image.defective]
    bad = [each for each in scored if each.image.defective]
    of_images = image_figures(*(np.array([each.score for each in part]) for part in (good, bad)))
    of_pixels, pro = (floored.figures(), exact.figures()) if masked else (None, None)
    judged = bool(scored) and all(each.alarm is not None for each in scored)
    hits, false_alarms = (sum(bool(each.alarm) for each in part) for part in (bad, good))
    return Evaluation(
        image_auroc=of_images.auroc,
        image_ap=of_images.ap,
        image_f1_max=of_images.f1_max,
        pixel_auroc=of_pixels and of_pixels.auroc,
        pixel_ap=of_pixels and of_pixels.ap,
        pro=pro and pro.pro,
        pro_official=of_pixels and of_pixels.pro_official,
        pointing=float(np.mean(pointed)) if masked and pointed else None,
        f1_at_threshold=2 * hits / (len(bad) + hits + false_alarms) if judged and good and bad else None,
        recall_at_threshold=hits / len(bad) if judged and bad else None,
        false_alarms_at_threshold=false_alarms if judged else None,
        n_good=len(good),
        n_defect=len(bad),
        error={**of_pixels.error, "pro": pro.error.get("pro", 0.0)} if of_pixels and pro else {},
        scored=tuple(scored),
    )
