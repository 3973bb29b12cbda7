"""Other rolls of one cloth, simulated: the same pictures under another light, lens, tension and sensor."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

ROLLS = 12


@dataclass(frozen=True)
class Roll:
    """How one roll is seen; the values of no change are 1 for factors, 0 for the rest."""

    gain: float
    gamma: float
    gradient: float
    """Share by which the right edge is brighter than the left."""
    sigma_px: float
    stretch_x: float
    stretch_y: float
    noise: float
    """Standard deviation in grey levels."""

    @classmethod
    def drawn(cls, seed: int) -> Roll:
        """One draw for a whole roll."""
        rng = np.random.default_rng(seed)
        return cls(
            gain=rng.uniform(0.9, 1.1), gamma=rng.uniform(0.9, 1.1), gradient=rng.uniform(-0.08, 0.08),
            sigma_px=rng.uniform(0, 0.8), stretch_x=rng.uniform(0.97, 1.03), stretch_y=rng.uniform(0.97, 1.03),
            noise=rng.uniform(0, 3),
        )  # fmt: skip

    def picture(self, seen: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """A picture (h, w[, 3]) as this roll would show it; `number` seeds its noise. Its size changes by the stretch."""
        size = round(seen.shape[1] * self.stretch_x), round(seen.shape[0] * self.stretch_y)
        levels = cv2.resize(seen.astype(np.float32) / 255, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
        if self.sigma_px > 0.1:  # the kernel of less is one pixel
            levels = cv2.GaussianBlur(levels, (0, 0), self.sigma_px)
        across = 1 + self.gradient * np.linspace(-0.5, 0.5, size[0], dtype=np.float32)  # (w,)
        levels = self.gain * levels**self.gamma * across.reshape(1, -1, *[1] * (seen.ndim - 2))
        noise = np.random.default_rng((number, round(1e6 * self.gain))).normal(0, self.noise, levels.shape)
        return np.rint(255 * levels + noise).clip(0, 255).astype(np.uint8)

    def mask(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where a mask (h, w) lies in this roll's picture; what touches a marked pixel is marked."""
        size = round(marked.shape[1] * self.stretch_x), round(marked.shape[0] * self.stretch_y)
        return np.asarray(cv2.resize(marked.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0)
