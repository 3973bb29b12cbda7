"""Shading of a camera and its lamp: from pictures of dark and of plain white to a gain for each column."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from calibration.camera_card import VALID_DAYS, CameraCard, Picture, check_width
from calibration.references import read_rows
from glass_core.errors import InputError

SATURATED = 254
MAX_SATURATED = 0.001
"""Share of pixels; more than a few hot ones bend the gains."""
MIN_LEVEL, MAX_DARK = 40.0, 40.0
MIN_ROWS = 64
MAX_GAIN = 4.0
"""More gain than this makes noise of what the lamp does not light."""
MAX_STRUCTURE = 0.05
"""Share of its level by which a column may vary along the cloth: plain white varies less, cloth more."""


class FlatfieldCard(CameraCard):
    """Per column: pixel = (raw - dark) x gain; the mean level of the white reference is kept."""

    kind: Literal["flatfield"] = "flatfield"
    dark: tuple[Annotated[float, Field(ge=0, le=255)], ...]
    gain: tuple[Annotated[float, Field(gt=0, le=255)], ...]
    level: float = Field(ge=0, le=255)
    """Grey level of plain white after correction."""
    unevenness: float
    """Of the white reference before: (brightest - darkest column) / level."""
    structure: float
    saturated: float

    @model_validator(mode="after")
    def _one_figure_a_column(self) -> Self:
        if not len(self.dark) == len(self.gain) == self.width_px:
            raise ValueError(f"{len(self.dark)} dark levels and {len(self.gain)} gains for {self.width_px} columns")
        return self

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture (H, W) or (H, W, 3) without its shading; InputError where its width is another."""
        check_width(self, pixels.shape[1])
        channels = 1 if pixels.ndim == 2 else 3
        gain = np.repeat(np.array(self.gain, np.float32), channels)  # (W x channels,)
        offset = np.repeat(np.array(self.dark, np.float32) * np.array(self.gain, np.float32), channels)
        flat = pixels.reshape(pixels.shape[0], -1).astype(np.float32)
        return cv2.convertScaleAbs(np.maximum(flat * gain - offset, 0)).reshape(pixels.shape)


def make_flatfield(
    white_pictures: Path,
    dark_pictures: Path | None,
    camera: str,
    serial: str = "",
    valid_days: float = VALID_DAYS,
) -> tuple[FlatfieldCard, Picture]:
    """A card from pictures of plain white and, where given, of the lens covered; beside it a drawing of the shading.

    Each is a picture or a folder of them. Medians over all rows, so that a speck that passes leaves no trace. InputError: a
    reference that is saturated, too dark, not dark, of too few rows, with structure in it, or of another width; a column
    that would need too much gain.

    >>> card, picture = make_flatfield(folder / "white.png", folder / "dark.png", camera="left")
    >>> round(card.gain[0] / card.gain[60], 1)  # the lamp of the example lights the first column half as much
    2.0
    >>> card.save(folder / "flatfield.json", picture)
    """
    white, dark = read_rows(white_pictures), None if dark_pictures is None else read_rows(dark_pictures)
    source = str(white_pictures)
    rows, width = white.shape
    if rows < MIN_ROWS:
        raise InputError(f"white reference of {rows} rows, {source}, give at least {MIN_ROWS}")
    saturated = float((white >= SATURATED).mean())
    if saturated > MAX_SATURATED:
        raise InputError(f"white reference is saturated ({saturated:.1%} of its pixels), {source}, shorten the exposure")
    zero = np.zeros(width)
    if dark is not None:
        if dark.shape[1] != width:
            raise InputError(f"dark reference is {dark.shape[1]} px wide, white is {width} px, take both with one camera")
        zero = np.median(dark, axis=0)
        if zero.max() > MAX_DARK:
            raise InputError(f"dark reference has grey level {zero.max():.0f}, {source}, cover the lens")
    column = np.median(white, axis=0) - zero
    level = float(np.median(column))
    if level < MIN_LEVEL:
        raise InputError(f"white reference has grey level {level:.0f} above dark, {source}, give more light or exposure")
    if column.min() < level / MAX_GAIN:
        raise InputError(
            f"column {int(column.argmin())} has grey level {column.min():.0f} of {level:.0f}, {source}, "
            "light the whole width, or crop the camera's picture"
        )
    spread = white.astype(np.float32).std(axis=0) / np.maximum(column, 1)
    structure = float(np.median(spread))
    if structure > MAX_STRUCTURE:
        raise InputError(
            f"white reference varies by {structure:.0%} along the cloth, {source}, use plain white, moving or out of focus"
        )
    card = FlatfieldCard.measured(
        valid_days=valid_days, camera=camera, serial=serial, source=source, width_px=width,
        dark=tuple(np.round(zero, 2).tolist()), gain=tuple(np.round(level / column, 4).tolist()),
        level=round(level, 2), unevenness=round(float(np.ptp(column)) / level, 4), structure=round(structure, 4),
        saturated=saturated,
    )  # fmt: skip
    return card, _drawn(card)


def _drawn(card: FlatfieldCard) -> Picture:
    """The shading before and after as a drawing (H, W, 3) BGR: 0 to 255 from bottom to top, one column a column."""
    height, width = 255, min(card.width_px, 1600)
    canvas = np.full((height + 1, width, 3), 255, np.uint8)
    x = np.linspace(0, card.width_px - 1, width).astype(int)
    before = card.level / np.array(card.gain)[x] + np.array(card.dark)[x]
    for values, colour in (
        (before, (60, 60, 220)),
        (np.full(width, card.level), (60, 140, 60)),
        (np.array(card.dark)[x], (0, 0, 0)),
    ):
        points = np.stack([np.arange(width), height - np.clip(values, 0, 255)], axis=1).astype(np.int32)
        cv2.polylines(canvas, [points], False, colour, 2)
    return canvas
