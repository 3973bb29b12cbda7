"""How well scores tell good from defective, for pictures and for pixels; no figure is chosen here, all are computed."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.evaluation.pro import MAX_FPR, dilated, official_pro, region_shares
from glass_core.evaluation.ranking import EXACT_SCORES, Negatives, Positives, Scores, rank


class ImageFigures(NamedTuple):
    """Of whole pictures, by their scores; null where there is only one class."""

    auroc: float | None
    ap: float | None
    f1_max: float | None


class PixelFigures(NamedTuple):
    """Of pixels; null without a marked region. `error` bounds how far binning may have moved each figure; 0 when exact."""

    auroc: float | None
    ap: float | None
    pro: float | None
    pro_official: float | None
    error: dict[str, float]


def image_figures(good: NDArray[np.floating], defective: NDArray[np.floating]) -> ImageFigures:
    """The figures of good (n,) and defective (m,) pictures' scores."""
    positives, negatives = Positives(), Negatives()
    positives.add(np.asarray(defective, dtype=np.float32), np.ones(len(defective)))
    negatives.add(np.asarray(good, dtype=np.float32))
    curve = rank(positives, negatives)
    if not len(good) or not len(defective):
        return ImageFigures(None, None, None)
    return ImageFigures(curve.auroc(), curve.ap(), curve.f1_max())


POINTING_PX = 15
"""As in the pointing game of Zhang et al. (ECCV 2016)."""


def pointing(score_map: Scores, truth: NDArray[np.bool_]) -> float | None:
    """Whether a map (H, W) is highest on a marked px or within POINTING_PX of one: the share of its equally highest px.

    A picture that scores high because all of its cloth is of another roll, not because of its defect, does not count as
    found. NaN is not inspected; None where no inspected px is marked.
    """
    inspected = ~np.isnan(score_map)
    if not (truth & inspected).any():
        return None
    away_px = cv2.distanceTransform((~(truth & inspected)).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)  # (H, W)
    return float((away_px[score_map == score_map[inspected].max()] <= POINTING_PX).mean())


class PixelScores:
    """Gathers maps and their masks; exact up to EXACT_SCORES pixels, then in bins, with memory that no longer grows."""

    def __init__(self) -> None:
        self._marked, self._overlap, self._background = Positives(), Positives(), Negatives()
        self._regions = 0
        self._background_weight = 0.0
        self._lowest, self._highest = math.inf, -math.inf
        self._folded = False

    def add(self, score_map: Scores, truth: NDArray[np.bool_], background_weight: float | None = None) -> None:
        """Takes in a map (H, W), NaN where nothing was scored, and where the defect is (H, W).

        `background_weight`: the sum of 1 - mask where the mask is soft (None: the number of pixels that are not marked).
        """
        background = ~truth
        if np.isnan(score_map.min()):
            scored = ~np.isnan(score_map)
            truth, background = truth & scored, background & scored
            score_map = np.where(scored, score_map, np.float32(-np.inf))
        shares, regions = region_shares(truth)
        if regions:
            self._marked.add(score_map[truth], shares)
            self._overlap.add(dilated(score_map)[truth], shares)
        negatives = score_map[background]
        self._background.add(negatives)
        self._regions += regions
        self._background_weight += len(negatives) if background_weight is None else background_weight
        for scores in (negatives, score_map[truth]):
            if len(scores):
                self._lowest, self._highest = min(self._lowest, float(scores.min())), max(self._highest, float(scores.max()))
        self._folded |= self._marked.total + self._background.total > EXACT_SCORES
        if self._folded:
            for part in (self._marked, self._overlap, self._background):
                part.fold()

    def figures(self) -> PixelFigures:
        """The figures of all maps so far."""
        if not self._regions or not self._background.total:
            return PixelFigures(None, None, None, None, {})
        curve = rank(self._marked, self._background)
        pro = curve.partial(MAX_FPR) / self._regions
        error = dict.fromkeys(("pixel_auroc", "pixel_ap", "pro"), 0.0)
        if self._folded:
            of_pro = curve.uncertainty(lambda of: of.partial(MAX_FPR)) / self._regions
            error = {"pixel_auroc": curve.uncertainty(type(curve).auroc), "pixel_ap": curve.ap_uncertainty(), "pro": of_pro}
        background = (self._background, self._background_weight)
        official = official_pro(self._overlap, self._regions, *background, self._lowest, self._highest)
        return PixelFigures(curve.auroc(), curve.ap(), pro, official, error)
