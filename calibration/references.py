"""Pictures that a calibration is made from, as grey levels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.pictures.reading import IMAGE_SUFFIXES, read_image


def read_grey(path: Path) -> NDArray[np.uint8]:
    """One picture as (H, W) grey; PictureError where it cannot be read."""
    picture = read_image(path)
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def read_rows(path: Path) -> NDArray[np.uint8]:
    """All rows (rows, W) of a picture, or of a folder's pictures, one under the other; InputError where they do not fit."""
    paths = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES) if path.is_dir() else [path]
    pictures = [read_grey(p) for p in paths]
    if not pictures:
        raise InputError(f"no pictures, {path}, give a picture or a folder of them")
    if len({p.shape[1] for p in pictures}) > 1:
        raise InputError(f"pictures of different widths, {path}, give those of one camera")
    return np.concatenate(pictures)
