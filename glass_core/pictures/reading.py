"""Reads picture files: the one decoder of training and of the line, so that the line sees what training saw."""

import struct
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.pictures.headers import FORMATS, CutShort, Header, begin_with, find_format

IMAGE_SUFFIXES = frozenset(suffix for each in FORMATS for suffix in each.suffixes)
MAX_PIXELS = 1 << 28
_MAX_FILE_BYTES = 2 << 30
_AS_SHOWN = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
"""Without transparency, and turned as its EXIF note says."""

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # what is wrong with a file stands in a PictureError, in words for people


class PictureError(InputError):
    """A file that is no usable picture."""

    def __init__(self, what: str, path: Path, what_to_do: str) -> None:
        super().__init__(f"{what}, {path}, {what_to_do}")
        self.reason = f"{what}: {what_to_do}"
        """The text without the file's name."""


def is_picture(path: Path) -> bool:
    """Whether the file begins as one of the FORMATS does, whatever it is called; InputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return find_format(file.read(16)) is not None
    except OSError as error:
        raise _unreadable(path, error) from None


def read_image(path: Path) -> NDArray[np.uint8]:
    """The one 8-bit picture of a file as (H, W) grey or (H, W, 3) RGB, turned as its EXIF note says, without transparency.

    Raises PictureError when the file is missing, damaged, too large, not 8 bit, of none of the FORMATS, or holds several
    pictures.
    """
    return decode_image(read_content(path), path)


def decode_image(content: bytes, path: Path) -> NDArray[np.uint8]:
    """As `read_image`, of a file's content; `path` is named in errors."""
    pages = Pages(content, path)
    if pages.error is not None:
        raise pages.error
    if len(pages) > 1:
        raise _several(len(pages), path)
    return pages.decode(0)


def read_content(path: Path) -> bytes:
    """All bytes of a file; PictureError where they cannot be read or are too many."""
    try:
        if path.is_fifo() or path.is_char_device():  # they have no end
            raise PictureError("not a file", path, "take it out of the folder")
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(content) > _MAX_FILE_BYTES:
        raise PictureError(f"picture file of more than {_MAX_FILE_BYTES >> 30} GiB", path, "cut it into frames")
    return content


class Pages:
    """The pages of a TIFF, or the only picture of another file; none is decoded before it is asked for."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Find them; PictureError where there is none, and where a file of several is no TIFF (APNG, MPO)."""
        found = find_format(content)
        if found is None:
            raise _damaged(path)
        self._content: bytes | bytearray = content
        self._path, self._format = path, found
        self._headers: list[Header] = []
        self.error: PictureError | None = None
        """Why there may be more pages than were found."""
        try:
            for header in found.headers(content):
                self._headers.append(header)
        except CutShort:
            raise PictureError("picture cut short", path, "copy the file again or remove it") from None
        except (struct.error, ValueError):
            if not self._headers:
                raise _damaged(path) from None
            self.error = PictureError(f"file damaged after page {len(self._headers)}", path, "copy the file again or remove it")
        if not self._headers:
            raise _damaged(path)
        if found.name == "TIFF":  # the first of its pages may be a thumbnail, which decoders would take
            self._content = bytearray(content)
        elif len(self._headers) > 1:
            raise _several(len(self._headers), path)

    def __len__(self) -> int:
        return len(self._headers)

    def decode(self, number: int) -> NDArray[np.uint8]:
        """One of them as `read_image` has it; PictureError where it is damaged, too large or not 8 bit."""
        header = self._headers[number]
        if header.width * header.height > MAX_PIXELS:
            raise PictureError(f"picture of {header.width} x {header.height} px is too large", self._path, "cut it into frames")
        if header.bits > 8:
            raise self._deep(header.bits)
        if isinstance(self._content, bytearray):
            begin_with(self._content, header)
        try:
            if self._format.name == "JPEG":
                check_jpeg(self._content)
            image = cv2.imdecode(np.frombuffer(self._content, np.uint8), _AS_SHOWN)
        except (cv2.error, ValueError, MemoryError):
            image = None
        if image is None:
            raise _damaged(self._path)
        if image.dtype != np.uint8:
            raise self._deep(image.dtype.itemsize * 8)
        return np.asarray(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    def _deep(self, bits: int) -> PictureError:
        return PictureError(f"picture of {bits} bits a sample", self._path, "convert it to 8 bits as the camera delivers them")


def check_jpeg(content: bytes | bytearray) -> None:
    """ValueError where the data of a JPEG end too early or too late, which OpenCV passes over with a word on stderr.

    An eighth of the size is decoded: all of the data are read for it, little is computed.
    """
    four_colours = simplejpeg.decode_jpeg_header(content)[2] in ("CMYK", "YCCK")
    simplejpeg.decode_jpeg(content, "CMYK" if four_colours else "GRAY", min_height=1, min_width=1, min_factor=1, strict=True)


def _several(count: int, path: Path) -> PictureError:
    return PictureError(f"file of {count} pictures", path, "save each of them as a file of its own")


def _unreadable(path: Path, error: OSError) -> PictureError:
    return PictureError(f"unreadable picture ({error.strerror})", path, "check the file and its permissions")


def _damaged(path: Path) -> PictureError:
    known = ", ".join(each.name for each in FORMATS)
    return PictureError("damaged picture or unknown format", path, f"remove the file or replace it ({known})")
