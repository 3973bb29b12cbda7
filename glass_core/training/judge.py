"""The judge of GLASS-j: hypersphere or manifold, from the spectrum of a class's average good picture.

See docs/explanation/glass.md#the-judge.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.pictures.drawn import write_png
from glass_core.pictures.resample import resize

_AVERAGE_PX = 288
_SPECTRUM_PX = 289
_CENTRE = 144
_BLUR_PX = 39
_LEVEL = 170.0  # of 20 ln |F|
_FULLNESS, _MIN_RADIUS, _MIN_POINTS = 0.21, 12.0, 60


@dataclass(frozen=True)
class Judgement:
    """A decision and what it rests on; the spectrum is 20 ln |F|, zero frequency at (144, 144).

    `points` are those above 170: their number, their share of the box and of the disc around them, and the disc's radius.
    """

    hypersphere: bool
    points: int
    radius: float
    box_share: float
    disc_share: float
    spectrum: NDArray[np.float32]


def average_picture(images: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The mean of good pictures (H, W) or (H, W, 3) RGB of any size, each stretched to 288 x 288; (288, 288, 3) RGB.

    Every picture counts the same (the official code counts those of a short last batch more). Raises InputError for none.
    """
    total, count = np.zeros((_AVERAGE_PX, _AVERAGE_PX, 3)), 0
    for image in images:
        rgb = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
        total += resize(rgb, _AVERAGE_PX, _AVERAGE_PX)
        count += 1
    if not count:
        raise InputError("no pictures, the judge of GLASS-j, give good pictures")
    return (total / count).astype(np.uint8)  # (288, 288, 3)


def judge(average: NDArray[np.uint8]) -> Judgement:
    """Whether GLASS-h (hypersphere) or GLASS-m fits a class, by its average picture (H, W) or (H, W, 3) RGB."""
    picture = cv2.resize(average, (_SPECTRUM_PX, _SPECTRUM_PX), interpolation=cv2.INTER_LINEAR)
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    smooth = cv2.blur(grey, (_BLUR_PX, _BLUR_PX))  # on whole grey levels, which the decision depends on
    magnitude = np.abs(np.fft.fftshift(np.fft.fft2(smooth.astype(np.float64))))  # (289, 289)
    spectrum = 20 * np.log(np.maximum(magnitude, np.finfo(np.float64).tiny))
    y, x = np.nonzero(spectrum > _LEVEL)
    if not len(y):  # an all but black picture
        return Judgement(False, 0, 0.0, 0.0, 0.0, spectrum.astype(np.float32))
    dy, dx = np.abs(y - _CENTRE), np.abs(x - _CENTRE)
    radius = float(np.sqrt(dy**2 + dx**2).max())
    box_share = len(y) / (4 * max(int(dx.max()), 1) * max(int(dy.max()), 1))
    lattice = np.arange(2 * _SPECTRUM_PX) - _CENTRE
    disc_share = len(y) / (np.count_nonzero(lattice[:, None] ** 2 + lattice**2 <= radius**2) + 1e-10)
    full = box_share > _FULLNESS or disc_share > _FULLNESS
    chosen = full and radius > _MIN_RADIUS and len(y) > _MIN_POINTS
    return Judgement(bool(chosen), len(y), radius, box_share, disc_share, spectrum.astype(np.float32))


def write_judgement(path: Path, average: NDArray[np.uint8], judgement: Judgement) -> None:
    """A PNG: average picture, its spectrum with the points above the level in red, and the decision in words."""
    code = cv2.COLOR_GRAY2BGR if average.ndim == 2 else cv2.COLOR_RGB2BGR
    picture = cv2.resize(cv2.cvtColor(average, code), (_SPECTRUM_PX, _SPECTRUM_PX))
    grey = np.clip(judgement.spectrum / judgement.spectrum.max() * 255, 0, 255).astype(np.uint8)
    spectrum = np.repeat(grey[:, :, None], 3, axis=2)  # (289, 289, 3)
    spectrum[judgement.spectrum > _LEVEL] = (0, 0, 255)
    words = (
        f"{'hypersphere: GLASS-h' if judgement.hypersphere else 'manifold: GLASS-m'}",
        f"{judgement.points} points (over {_MIN_POINTS}), radius {judgement.radius:.1f} (over {_MIN_RADIUS:.0f}),",
        f"box share {judgement.box_share:.3f}, disc share {judgement.disc_share:.3f} (one over {_FULLNESS})",
    )
    caption = np.full((64, 2 * _SPECTRUM_PX, 3), 255, dtype=np.uint8)
    for line, text in enumerate(words):
        cv2.putText(caption, text, (6, 18 + 19 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    write_png(path, np.concatenate([np.concatenate([picture, spectrum], axis=1), caption], axis=0))
