"""What a picture file's header says: its format, and the size of each picture in it; known before anything is decoded."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_MAX_PAGES = 100_000
_MAX_BEGINNINGS = 64
"""Of pictures after the first in a JPEG: each is followed to its end, and most of what looks like one is none."""
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Of JPEG, and none of those that stand within the data of a scan."""


class CutShort(ValueError):
    """The file ends before its picture does; decoders fill up such a file with grey or with words of their own."""


@dataclass(frozen=True)
class Header:
    """One picture of a file; `bits` are those of a sample."""

    width: int
    height: int
    bits: int
    offset: int = 0
    """Of a TIFF's page: where its directory lies."""


@dataclass(frozen=True)
class Format:
    """A file format of pictures, told by its first bytes, whatever the file is called."""

    name: str
    suffixes: tuple[str, ...]
    starts: tuple[bytes, ...]
    headers: Callable[[bytes], Iterator[Header]]
    """The pictures of a file in order; struct.error or ValueError where they cannot be found, CutShort at an early end."""


def find_format(content: bytes) -> Format | None:
    """The format of a file that begins so; None where it is none of the FORMATS."""
    return next((each for each in FORMATS if content.startswith(each.starts)), None)


def begin_with(tiff: bytearray, page: Header) -> None:
    """Make a page the first of its TIFF, for decoders that read the first."""
    order, big = "<" if tiff[:2] == b"II" else ">", b"+" in tiff[2:4]
    struct.pack_into(order + ("Q" if big else "I"), tiff, 8 if big else 4, page.offset)


def _png(content: bytes) -> Iterator[Header]:
    """Frames of APNG are all as large as the first (PNG specification, third edition: acTL)."""
    width, height, bits = struct.unpack_from(">IIB", content, 16)
    frames, at = 1, 8
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", content, at + 8)
        elif kind == b"IDAT":
            break
        at += 12 + length
    if b"IEND" not in content[-64:]:  # some writers add a few bytes after it
        raise CutShort
    for _ in range(max(1, min(frames, _MAX_PAGES))):
        yield Header(width, height, bits)


def _jpeg(content: bytes) -> Iterator[Header]:
    """The first picture, and those after it that are as large: MPO (CIPA DC-007); smaller ones are previews or gain maps."""
    first, end = _one_jpeg(content, 0)
    yield first
    for _ in range(_MAX_BEGINNINGS):
        if (start := content.find(b"\xff\xd8\xff", end)) < 0:
            return
        end = start + 2
        try:
            other, end = _one_jpeg(content, start)
        except (ValueError, struct.error):
            continue
        if (other.width, other.height) == (first.width, first.height):
            yield other


def _one_jpeg(content: bytes, start: int) -> tuple[Header, int]:
    """The JPEG that begins at `start`, and where it ends."""
    header, at = None, start + 2
    while found := _MARKER.search(content, at):
        marker = found[0][1]
        at = found.end()
        if marker == 0xD9:
            if header is None:
                raise ValueError
            return header, at
        if marker == 0xD8:  # another one begins
            raise ValueError
        if marker == 0x01:  # it stands alone
            continue
        (length,) = struct.unpack_from(">H", content, at)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            bits, height, width = struct.unpack_from(">BHH", content, at + 2)
            header = header or Header(width, height, bits)
        at += length
    raise CutShort


def _bmp(content: bytes) -> Iterator[Header]:
    (size,) = struct.unpack_from("<I", content, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", content, 18)
    yield Header(abs(width), abs(height), 8)


def _tiff(content: bytes) -> Iterator[Header]:
    """Each page (TIFF 6.0, section 2; BigTIFF), but none that is a smaller form or a mask of another one (NewSubfileType)."""
    order, big = "<" if content[:2] == b"II" else ">", b"+" in content[2:4]
    word, counter, entry = (order + (code if big else small) for code, small in (("Q", "I"), ("Q", "H"), ("HHQ8s", "HHI4s")))
    offset = _tiff_number(content, word, 8 if big else 4)
    seen: set[int] = set()
    left = len(content)  # directories that share their entries are no file of pages, and could keep a reader for hours
    while offset:
        if offset in seen or len(seen) == _MAX_PAGES:
            raise ValueError
        seen.add(offset)
        entries = _tiff_number(content, counter, offset)
        first = offset + struct.calcsize(counter)
        end = first + entries * struct.calcsize(entry)
        left -= end - offset
        if end > len(content) or left < 0:
            raise ValueError
        values = {tag: _tiff_value(content, order, *field) for tag, *field in struct.iter_unpack(entry, content[first:end])}
        if not values.get(254, 0) & 5:
            yield Header(values.get(256, 0), values.get(257, 0), values.get(258, 1), offset)
        offset = _tiff_number(content, word, end)


def _tiff_number(content: bytes, code: str, place: int) -> int:
    if place > len(content):  # struct bears no offset of 64 bits
        raise ValueError
    return int(struct.unpack_from(code, content, place)[0])


def _tiff_value(content: bytes, order: str, kind: int, count: int, held: bytes) -> int:
    """The first number of a TIFF's field; 0 where it is none. What does not fit into the field lies elsewhere."""
    code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind, "")
    if not code or not count:
        return 0
    if count * struct.calcsize(code) <= len(held):
        return _tiff_number(held, order + code, 0)
    (place,) = struct.unpack(order + ("Q" if len(held) == 8 else "I"), held)
    return _tiff_number(content, order + code, place)


FORMATS = (
    Format("PNG", (".png",), (b"\x89PNG\r\n\x1a\n",), _png),
    Format("JPEG", (".jpg", ".jpeg"), (b"\xff\xd8",), _jpeg),
    Format("BMP", (".bmp",), (b"BM",), _bmp),
    Format("TIFF", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
)
