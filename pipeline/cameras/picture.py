"""Writes picture files: lossless PNG, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from glass_core.files.whole_file import whole_file


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W) or RGB (H, W, 3) uint8 without loss, fast rather than small; whole or not at all (OSError).

    It does not wait for the disk: a recording writes as fast as its cameras.
    """
    stored = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    with whole_file(path, durable=False) as part, part.open("wb") as file:
        file.write(data.data)
