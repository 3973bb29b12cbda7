"""Every kind of picture file, as the training and as the line's replay read it: both see the same, or both refuse it."""

import base64
import struct
import zlib
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.pictures.datasets import list_images
from glass_core.pictures.reading import read_image
from pipeline.cameras import Shot, make_camera
from pipeline.cameras.picture import write_png
from pipeline.config.cameras import ReplayConfig

ROWS, COLUMNS = np.mgrid[:24, :40]
GREY = (COLUMNS * 5 + ROWS).astype(np.uint8)  # another step down than across
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)
RGBA = np.dstack([RGB, np.where(COLUMNS < 9, 0, 255).astype(np.uint8)])
MARKED = GREY > 100
PALETTE = np.array([[200, 100, 50], [7, 8, 9]], np.uint8)
CMYK = np.full((8, 8, 3), (200, 100, 50), np.uint8)
CMYK_JPEG = base64.b64decode(  # of CMYK: OpenCV writes none
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoK"
    "CgYICwwLCgwJCgoK/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAkH/8QAFBABAAAAAAAAAAAAAAAA"
    "AAAAAP/aAA4EQwBNAFkASwAAPwBIEPGOfx//2Q=="
)


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


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def fill_half(jpeg: bytes) -> bytes:
    """The second half lost on a damaged disk."""
    return half(jpeg) + bytes(len(jpeg) - len(half(jpeg)))


SEEN = {
    "grey.png": (encode(".png", GREY), GREY),
    "rgb.png": (encode(".png", RGB), RGB),
    "rgba.png": (encode(".png", RGBA), RGB),  # what is transparent is no less there
    "palette.png": (encode_png(3, 8, MARKED.astype(np.uint8), PALETTE.tobytes()), PALETTE[MARKED.astype(int)]),
    "one bit.png": (encode_png(0, 1, np.packbits(MARKED, axis=1)), MARKED.astype(np.uint8) * 255),
    "grey.jpg": (encode(".jpg", GREY), GREY),
    "colour.jpg": (encode(".jpg", RGB), RGB),
    "cmyk.jpg": (CMYK_JPEG, CMYK),
    "exif.jpg": (turned(encode(".jpg", RGB)), RGB),  # as the camera's rows lie, not as a viewer turns them
    "grey.tif": (encode(".tif", GREY), GREY),
    "rgb.tiff": (encode(".tiff", RGB), RGB),
    "pages.tif": (cv2.imencodemulti(".tif", [GREY, 255 - GREY])[1].tobytes(), GREY),  # the first page alone
    "grey.bmp": (encode(".bmp", GREY), GREY),
    "rgb.bmp": (encode(".bmp", RGB), RGB),
    "jpeg called.png": (encode(".jpg", GREY), GREY),
}
"""File name: its bytes, and what is seen; of JPEG to a few grey levels."""

REFUSED = {
    "deep.png": (encode(".png", GREY.astype(np.uint16) * 257), "picture of 16 bits a sample"),
    "deep.tif": (encode(".tif", GREY.astype(np.uint16) * 257), "picture of 16 bits a sample"),
    "cut.png": (half(encode(".png", GREY)), "picture cut short"),
    "cut.jpg": (half(encode(".jpg", GREY)), "picture cut short"),
    "filled.jpg": (fill_half(encode(".jpg", GREY)), "picture cut short"),
    "cut.bmp": (half(encode(".bmp", GREY)), "damaged picture"),
    "cut.tif": (half(encode(".tif", GREY)), "damaged picture"),
    "signature alone.png": (b"\x89PNG\r\n\x1a\nIEND", "damaged picture"),
    "empty.png": (b"", "damaged picture or unknown format"),
    "text.png": (b"no picture at all", "damaged picture or unknown format"),
    "webp called.png": (encode(".webp", RGB), "damaged picture or unknown format"),
}


def replay(folder: Path) -> list[Shot]:
    camera = make_camera(ReplayConfig(name="a", source="replay", path=folder))
    camera.open()
    return [shot for shot in islice(camera.shots(), 9) if shot]


@pytest.mark.parametrize("name", SEEN)
def test_training_and_line_see_the_same_picture(tmp_path: Path, name: str) -> None:
    content, expected = SEEN[name]
    (tmp_path / name).write_bytes(content)
    (trained,) = (read_image(path) for path in list_images(tmp_path))
    (shot,) = replay(tmp_path)
    assert shot.pixels is not None and shot.pixels.dtype == trained.dtype == np.uint8
    np.testing.assert_array_equal(shot.pixels, trained)
    assert trained.shape == expected.shape
    off = np.abs(trained.astype(int) - expected)
    assert off.mean() <= (2 if content.startswith(b"\xff\xd8") else 0)


@pytest.mark.parametrize("name", REFUSED)
def test_training_and_line_refuse_the_same_picture_in_the_same_words(tmp_path: Path, name: str) -> None:
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"^{words}[^\n]*, {tmp_path / name}, [^\n]+$"):
        [read_image(path) for path in list_images(tmp_path)]
    with pytest.raises(InputError, match=rf"^no readable picture, {tmp_path}, [^\n]*{name}: {words}[^\n]*$"):
        replay(tmp_path)
    write_png(tmp_path / "~.png", GREY)  # among good pictures it is one damaged shot
    bad, good = replay(tmp_path)
    assert bad.pixels is None and bad.rows == 24 and bad.error.startswith(words) and str(tmp_path) not in bad.error
    assert good.pixels is not None


@pytest.mark.parametrize(("name", "words"), [("folder.png", "Is a directory"), ("gone.png", "No such file or directory")])
def test_what_is_no_file_is_refused_by_both(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match=rf"^unreadable picture \({words}\), {tmp_path / name}, [^\n]+$"):
        read_image(tmp_path / name)
    with pytest.raises(InputError, match=r"no images in the folder|nothing to replay"):
        replay(tmp_path / name)
    with pytest.raises(InputError, match="no pictures"):
        list_images(tmp_path)  # a folder is no picture, whatever it is called
