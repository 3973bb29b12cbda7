"""Reads pictures."""

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
_MAX_PIXELS = 1 << 28
_JPEG_TAIL_BYTES = 4096  # some writers add a few bytes after the end mark
_PNG = b"\x89PNG\r\n\x1a\n"


def read_image(path: Path) -> NDArray[np.uint8]:
    """One 8-bit picture as (H, W) grey or (H, W, 3) RGB.

    Raises InputError when the file is missing, damaged, too large or not 8 bit.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"unreadable picture ({error.strerror}), {path}, check the file and its permissions") from None
    return decode_image(content, path)


def decode_image(content: bytes, path: Path) -> NDArray[np.uint8]:
    """A picture from a file's bytes; `path` is for the error's text. See read_image."""
    _check_png(content, path)
    if content.startswith(b"\xff\xd8") and b"\xff\xd9" not in content[-_JPEG_TAIL_BYTES:]:  # decoders fill it up with grey
        raise InputError(f"picture cut short, {path}, copy the file again or remove it")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"damaged picture or unknown format, {path}, remove or replace the file")
    if image.dtype != np.uint8:
        bits = image.dtype.itemsize * 8
        raise InputError(f"picture of {bits} bits a sample, {path}, convert it to 8 bits as the camera delivers them")
    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(image, dtype=np.uint8).reshape(image.shape[:2])
    code = cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


def _check_png(content: bytes, path: Path) -> None:
    """Refuses a PNG cut short, on which libpng would print words of its own, and a header that promises gigabytes."""
    if not content.startswith(_PNG):
        return
    if b"IEND" not in content[-64:]:
        raise InputError(f"picture cut short, {path}, copy the file again or remove it")
    width, height = struct.unpack(">II", content[16:24])
    if width * height > _MAX_PIXELS:
        raise InputError(f"picture of {width} x {height} px is too large, {path}, cut it into frames")
