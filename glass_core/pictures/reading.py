"""Reads picture files: the one decoder of training and of the line, so that the line sees what training saw."""

import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError

_MAX_PIXELS = 1 << 28


@dataclass(frozen=True)
class Format:
    """A file format of pictures, told by its first bytes, whatever the file is called."""

    name: str
    suffixes: tuple[str, ...]
    starts: tuple[bytes, ...]
    end: bytes = b""
    """A whole file ends with this mark; decoders fill up a file without it, with grey or with words of their own."""
    tail_bytes: int = 0
    """The mark lies within so many last bytes: some writers add a few after it."""


FORMATS = (
    Format("PNG", (".png",), (b"\x89PNG\r\n\x1a\n",), b"IEND", 64),
    Format("JPEG", (".jpg", ".jpeg"), (b"\xff\xd8",), b"\xff\xd9", 4096),
    Format("BMP", (".bmp",), (b"BM",)),
    Format("TIFF", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
IMAGE_SUFFIXES = frozenset(suffix for each in FORMATS for suffix in each.suffixes)


class PictureError(InputError):
    """A file that is no usable picture."""

    def __init__(self, what: str, path: Path, what_to_do: str) -> None:
        super().__init__(f"{what}, {path}, {what_to_do}")
        self.reason = f"{what}: {what_to_do}"
        """The text without the file's name."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """One 8-bit picture as (H, W) grey or (H, W, 3) RGB; transparency and a JPEG's EXIF rotation are left aside.

    Raises PictureError when the file is missing, damaged, too large, not 8 bit or of none of the FORMATS.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"unreadable picture ({error.strerror})", path, "check the file and its permissions") from None
    _check_whole(content, path)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise _damaged(path)
    if image.dtype != np.uint8:
        bits = image.dtype.itemsize * 8
        raise PictureError(f"picture of {bits} bits a sample", path, "convert it to 8 bits as the camera delivers them")
    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(image, dtype=np.uint8).reshape(image.shape[:2])
    code = cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


def _check_whole(content: bytes, path: Path) -> None:
    """Refuse what is cut short or of no known format, and a PNG whose header promises gigabytes, before it is decoded."""
    found = next((each for each in FORMATS if content.startswith(each.starts)), None)
    if found is None:
        raise _damaged(path)
    if found.end not in content[-found.tail_bytes :]:
        raise PictureError("picture cut short", path, "copy the file again or remove it")
    if found.name == "PNG" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        if width * height > _MAX_PIXELS:
            raise PictureError(f"picture of {width} x {height} px is too large", path, "cut it into frames")


def _damaged(path: Path) -> PictureError:
    known = ", ".join(each.name for each in FORMATS)
    return PictureError("damaged picture or unknown format", path, f"remove the file or replace it ({known})")
