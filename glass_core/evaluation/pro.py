"""Per-region overlap: the standard curve's weights, and the figure of the official GLASS code.

See docs/explanation/glass.md#official-figures.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.evaluation.ranking import Negatives, Positives, Scores

MAX_FPR = 0.3
"""The rate of false positives up to which overlap is integrated (Bergmann et al. 2020)."""
_STEPS = 200
_DILATION = np.ones((5, 5), dtype=np.uint8)


def region_shares(truth: NDArray[np.bool_]) -> tuple[NDArray[np.float64], int]:
    """For each marked pixel of a mask (H, W), in reading order, one over its region's size; and the number of regions.

    Regions are 8-connected. With these weights the mean overlap of all regions is the weighted share of marked pixels above
    a threshold, times the number of pictures' regions: that turns PRO into a ROC curve, which is integrated exactly.
    """
    if not truth.any():
        return np.empty(0), 0
    count, labels = cv2.connectedComponents(truth.astype(np.uint8), connectivity=8)
    inside = labels[truth]
    return 1 / np.bincount(inside, minlength=1)[inside], count - 1


def dilated(score_map: Scores) -> Scores:
    """The highest score within 2 px of each pixel (H, W): above a threshold exactly where the dilated prediction is set."""
    return np.asarray(cv2.dilate(score_map, _DILATION), dtype=np.float32)


def official_pro(
    overlap: Positives, regions: int, background: Negatives, background_weight: float, lowest: float, highest: float
) -> float:
    """The official code's PRO, which is not the standard one: thresholds even in value, dilated recall, stretched rate.

    `overlap` holds the dilated scores of marked pixels with their `region_shares`, `background` the plain scores of all
    others, `background_weight` the sum of 1 - mask, `lowest` and `highest` the range of all scores. 0 where the official
    code fails, as it does. The steps are what NumPy 2 makes of float32 maps. In the authors' NumPy 1.26 a step is a float64
    and scores are compared as float32, which moves the figure by up to 1e-3, and by more where scores have few levels.
    """
    if not regions or not background_weight or not lowest < highest:
        return 0.0
    step = (np.float32(highest) - np.float32(lowest)) / np.float32(_STEPS)  # float32, as the official maps are
    thresholds = np.arange(lowest, highest, step, dtype=np.float64)  # (T,)
    cuts = thresholds.astype(np.float32)
    cuts = np.where(cuts > thresholds, np.nextafter(cuts, np.float32(-np.inf)), cuts)  # score > cut exactly as before
    rates = background.place(cuts)[0] / background_weight  # (T,)
    scores, _, share = overlap.levels()
    below = np.concatenate([[0.0], np.cumsum(share)])[np.searchsorted(scores, cuts, "right")]  # (T,)
    recalls = (share.sum() - below) / regions  # (T,)
    kept = rates < MAX_FPR
    if kept.sum() < 2 or np.ptp(rates[kept]) == 0:
        return 0.0
    stretched = (rates[kept] - rates[kept].min()) / np.ptp(rates[kept])
    return float(-np.trapezoid(recalls[kept], stretched))  # thresholds rise, so rates fall
