"""The lamp's ageing, seen in a strip of the picture that changes by nothing else, and trimmed away within a bound (pure)."""

from __future__ import annotations

from collections import deque
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config.cameras import LampConfig

PICTURES = 15
"""Over so many pictures the gain is smoothed: lamps age slowly, and specks on the strip pass."""
SATURATED = 250.0
"""A strip so bright no longer tells how bright the lamp is."""


class LampTrim:
    """One camera's. `level`: the strip's grey level under the lamp as calibrated."""

    def __init__(self, config: LampConfig, level: float) -> None:
        self._columns, self._most, self._level = slice(*config.columns_px), config.most_gain, level
        self._seen: deque[float] = deque(maxlen=PICTURES)
        self.gain = 1.0
        self.fault = ""
        """Why pictures can not be trimmed, or empty."""

    def trim(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture (H, W) or (H, W, 3) as the calibrated lamp would show it; as it is where there is a fault."""
        strip = pixels[:, self._columns]
        if not strip.size:
            self.fault = f"lamp: the reference strip lies beside the picture, {pixels.shape[1]} px wide"
            return pixels
        now = float(strip.mean())
        within = self._level / self._most <= now <= min(self._level * self._most, SATURATED)
        if not within:
            self._seen.clear()  # after it another lamp may burn
            self.fault = f"lamp: the reference strip is at {now / self._level:.0%} of its level"
            return pixels
        self._seen.append(now)
        self.fault, self.gain = "", self._level / median(self._seen)
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=self.gain), np.uint8)
