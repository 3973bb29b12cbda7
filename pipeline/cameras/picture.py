"""Picture files: 8-bit pixels in, lossless PNG out; one refusal, in words, for everything that is not that."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from glass_core.files.whole_file import whole_file

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


class PictureError(Exception):
    """A file that is no usable picture; the text says why."""


def read_picture(path: Path) -> np.ndarray:
    """The pixels of a file, grey (H, W) or RGB (H, W, 3) uint8; PictureError where it is missing, damaged, not 8-bit."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as e:
        raise PictureError(f"not readable: {e.strerror}") from None
    if not data.size:
        raise PictureError("empty file")
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as e:  # OpenCV's own size limits
        raise PictureError(f"not decodable: {e.err}") from None
    if pixels is None:
        raise PictureError("damaged, or not a picture")
    if pixels.dtype != np.uint8:
        raise PictureError(f"{pixels.dtype} pixels: convert the picture to 8 bit")
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] not in (3, 4):
        raise PictureError(f"{pixels.shape[2]} channels: grey or RGB are understood")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGB)


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W) or RGB (H, W, 3) uint8 without loss, fast rather than small; whole or not at all (OSError)."""
    stored = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    with whole_file(path) as part, part.open("wb") as file:
        file.write(data.data)
