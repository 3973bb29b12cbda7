"""Writes a drawn picture as a PNG."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.files.whole_file import whole_file


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """A PNG of a picture (H, W, 3) BGR, whole or not at all; OSError is left to the caller."""
    with whole_file(path) as part:
        part.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
