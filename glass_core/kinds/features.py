"""What the frozen trunk of a model says of a defect in a crop, against the cloth around it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from glass_core.config import MIN_TILE_PX
from glass_core.errors import InputError
from glass_core.network.checkpoint import load_model
from glass_core.network.model import Glass

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 (both exclusive) in px of a crop."""


class CropFeatures:
    """The features of crops by one model's trunk."""

    def __init__(self, glass: Glass, weights_sha: str) -> None:
        self._glass = glass
        self.weights_sha = weights_sha

    def of(self, picture: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        """The longer and the shorter side (logarithms of px), then of each channel the mean and the highest within the box
        less the mean around it: (2 + 2 C,) for levels with C channels in all.

        `picture`: (h, w) mono or (h, w, 3) RGB. Raises InputError for a box that does not lie in it.
        """
        height, width = picture.shape[:2]
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise InputError(f"box {list(box)} outside a picture of {width} x {height} px, the crop, restore its file")
        down, right = (self._side(side) - side for side in (height, width))
        whole = cv2.copyMakeBorder(picture, 0, down, 0, right, cv2.BORDER_REFLECT_101)
        with torch.no_grad():
            levels = self._glass.backbone(self._glass.normalise(torch.from_numpy(whole)[None]))
        sides = sorted((x1 - x0, y1 - y0), reverse=True)
        parts = [np.log(np.array(sides, dtype=np.float64))]
        for level in levels:
            cell = whole.shape[0] // level.shape[2]
            cells = level[0, :, : -(-height // cell), : -(-width // cell)].double().numpy()  # (C, h, w)
            inside = np.zeros(cells.shape[1:], dtype=bool)
            inside[y0 // cell : -(-y1 // cell), x0 // cell : -(-x1 // cell)] = True
            within = cells[:, inside]  # (C, n)
            around = cells[:, ~inside].mean(axis=1) if not inside.all() else 0.0
            parts += [within.mean(axis=1) - around, within.max(axis=1) - around]
        return np.concatenate(parts)

    def _side(self, side_px: int) -> int:
        """The next length that the trunk can look at."""
        unit = self._glass.unit_px
        return max(-(-side_px // unit) * unit, MIN_TILE_PX * self._glass.normalise.shrink)


def load_crop_features(run: Path) -> CropFeatures:
    """Those by the trunk of a RUN or BUNDLE; InputError where there is no sound model."""
    glass, info = load_model(run)
    return CropFeatures(glass, info.weights_sha)
