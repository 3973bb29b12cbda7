"""Bytes of picture files that OpenCV does not write, or writes otherwise; sound ones and damaged ones."""

import struct
import zlib
from collections.abc import Sequence

import cv2
import numpy as np


def encode(suffix: str, pixels: np.ndarray) -> bytes:
    """A file as OpenCV writes it."""
    to_bgr = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[pixels.shape[2] if pixels.ndim == 3 else 2]
    return cv2.imencode(suffix, pixels if to_bgr is None else cv2.cvtColor(pixels, to_bgr))[1].tobytes()


def encode_png(colour_type: int, bits: int, rows: np.ndarray, palette: bytes = b"") -> bytes:
    """A PNG 40 px wide of a kind that OpenCV does not write; `rows` (H, bytes of a row)."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 40, len(rows), bits, colour_type, 0, 0, 0))]
    chunks += [(b"PLTE", palette)] if palette else []
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))), (b"IEND", b"")]
    packed = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def turned(jpeg: bytes) -> bytes:
    """The same with an EXIF note that it is to be shown turned by a quarter."""
    note = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, 6, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + jpeg[2:]


def turned_png(png: bytes) -> bytes:
    """The same of PNG."""
    note = b"eXIfMM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, 6, 0, 0)
    return png[:33] + struct.pack(">I", len(note) - 4) + note + struct.pack(">I", zlib.crc32(note)) + png[33:]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def fill_half(jpeg: bytes) -> bytes:
    """The second half lost on a damaged disk."""
    return half(jpeg) + bytes(len(jpeg) - len(half(jpeg)))


def encode_tiff(
    pages: Sequence[np.ndarray],
    *,
    order: str = "<",
    big: bool = False,
    orientation: int = 1,
    smaller_after: int | None = None,
    size: tuple[int, int] | None = None,
) -> bytes:
    """Grey pages, not compressed; `size` is claimed instead of their own. From `smaller_after` on they are thumbnails."""
    word, offset_kind, entry, counter = ("Q", 16, "HHQQ", "Q") if big else ("I", 4, "HHII", "H")
    magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    content = bytearray(magic + (struct.pack(order + "HHQ", 8, 0, 0) if big else struct.pack(order + "I", 0)))
    link = len(content) - struct.calcsize(word)
    for number, page in enumerate(pages):
        data, (height, width) = len(content), page.shape
        content += page.tobytes() + bytes(page.size % 2)
        width, height = size or (width, height)
        smaller = smaller_after is not None and number >= smaller_after
        fields = [
            (254, 4, int(smaller)), (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
            (273, offset_kind, data), (274, 3, orientation), (277, 3, 1), (278, 4, height), (279, 4, page.size),
        ]  # fmt: skip
        struct.pack_into(order + word, content, link, len(content))
        content += struct.pack(order + counter, len(fields))
        for tag, kind, value in fields:
            packed = struct.pack(order + {3: "H", 4: "I", 16: "Q"}[kind], value)
            content += struct.pack(order + entry[:-1], tag, kind, 1) + packed.ljust(struct.calcsize(word), b"\0")
        link = len(content)
        content += bytes(struct.calcsize(word))
    return bytes(content)


def change_byte(content: bytes) -> bytes:
    """One bit is wrong, as after a bad copy."""
    at = len(content) * 2 // 3
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


def animate(png: bytes, frames: int) -> bytes:
    """The same as the first frame of an APNG; the others are left out."""
    note = b"acTL" + struct.pack(">II", frames, 0)
    return png[:33] + struct.pack(">I", 8) + note + struct.pack(">I", zlib.crc32(note)) + png[33:]


def resize_png(png: bytes, width: int, height: int) -> bytes:
    """Its header claims another size; so below."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def resize_jpeg(jpeg: bytes, width: int, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def resize_bmp(bmp: bytes, width: int, height: int) -> bytes:
    return bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]
