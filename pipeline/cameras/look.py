"""What one picture of a camera tells those who set it up: line profile, focus, saturation."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from glass_core.errors import InputError
from pipeline.cameras import Camera, CameraLost, make_camera
from pipeline.config.cameras import BaslerConfig, CameraConfig
from pipeline.config.cards import load_config

PATIENCE_S = 5.0
"""Longest wait for a whole picture."""


@dataclass(frozen=True)
class Look:
    """One picture, (H, W) or (H, W, 3) RGB uint8, and what a person who sets up a camera wants to know of it."""

    pixels: np.ndarray
    profile: np.ndarray
    """Mean grey level of each column: (W,)."""
    focus: float
    """Variance of the Laplacian: the sharper, the higher; only comparable on the same cloth and light."""
    saturated_percent: float
    """Pixels at full scale in any channel."""

    @classmethod
    def at(cls, pixels: np.ndarray) -> Look:
        """Measure a picture, (H, W) or (H, W, 3) RGB uint8."""
        grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        full = (pixels == 255) if pixels.ndim == 2 else (pixels == 255).any(axis=2)
        return cls(pixels, grey.mean(axis=0), float(cv2.Laplacian(grey, cv2.CV_32F).var()), 100 * float(full.mean()))

    def __str__(self) -> str:
        """The figures on one line."""
        height, width = self.pixels.shape[:2]
        return (
            f"{width} x {height}   mean {self.profile.mean():.1f}   min column {self.profile.min():.1f}   "
            f"max column {self.profile.max():.1f}   focus {self.focus:.1f}   saturated {self.saturated_percent:.2f} %"
        )

    def drawn(self) -> np.ndarray:
        """The picture with its column profile (0 to 255, lines at 64, 128, 192) and figures beneath: RGB uint8."""
        picture = self.pixels if self.pixels.ndim == 3 else cv2.cvtColor(self.pixels, cv2.COLOR_GRAY2RGB)
        width, plot_px, text_px = picture.shape[1], 256, 28
        plot = np.full((plot_px + text_px, width, 3), 24, np.uint8)
        for level in (64, 128, 192):
            plot[plot_px - level] = 70
        points = np.stack([np.arange(width), plot_px - 1 - np.rint(self.profile)], axis=1).astype(np.int32)
        cv2.polylines(plot, [points], isClosed=False, color=(120, 220, 120), thickness=1)
        cv2.putText(plot, str(self), (6, plot_px + 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA)
        return np.vstack([picture, plot])


def find_camera(name: str, config: Path | None) -> CameraConfig:
    """The camera of that name or serial in a line's YAML; without one the Basler camera with that serial.

    Raises InputError where the YAML has no such camera, or the name can be no serial.
    """
    cameras = load_config(config).cameras if config else ()
    for camera in cameras:
        if name in (camera.name, getattr(camera, "serial", None)):
            return camera
    if cameras:
        raise InputError(f"no camera {name}, {config}, name one of {', '.join(c.name for c in cameras)}")
    if not all(c.isalnum() or c in "-_" for c in name) or len(name) > 32:
        raise InputError(f"not a serial, {name}, give --config CONFIG for a camera's name, or see `glassline camera list`")
    return BaslerConfig(name=name, source="basler", serial=name)


def look_through(config: CameraConfig) -> Generator[Look]:
    """Open a camera and measure each whole picture; of a Basler camera always the newest. Closing the iterator closes it.

    Raises InputError where the camera cannot be opened, gives no whole picture within 5 s, or is lost.

    >>> look = next(look_through(config.cameras[0]))
    >>> look.pixels.shape, look.profile.shape, look.saturated_percent
    ((80, 120), (120,), 0.0)
    """
    with closing(_newest(config)) as camera:
        camera.open()
        since_s = time.monotonic()
        try:
            camera.trigger()
            for shot in camera.shots():
                if shot is not None and shot.pixels is not None:
                    yield Look.at(shot.pixels)
                    since_s = time.monotonic()
                elif time.monotonic() - since_s > PATIENCE_S:
                    waited = f"no whole picture within {PATIENCE_S:g} s"
                    raise InputError(f"{waited}, camera {config.name}, check its trigger and cable")
                camera.trigger()
        except CameraLost as e:
            raise InputError(f"camera lost: {e}, camera {config.name}, check cable and power") from None


def _newest(config: CameraConfig) -> Camera:
    """The camera, not yet opened; a Basler camera skips to the newest picture."""
    if not isinstance(config, BaslerConfig):
        return make_camera(config)
    from pipeline.cameras.basler import BaslerCamera

    return BaslerCamera(config, latest_only=True)
