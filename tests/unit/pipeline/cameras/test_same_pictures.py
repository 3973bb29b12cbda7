"""Every kind of picture file, as the training and as the line's replay read it: both see the same, or both refuse it."""

import base64
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.pictures.datasets import list_images
from glass_core.pictures.reading import read_image
from pipeline.cameras import Shot, make_camera
from pipeline.cameras.picture import write_png
from pipeline.config.cameras import ReplayConfig
from tests.picture_bytes import (
    animate,
    change_byte,
    encode,
    encode_png,
    encode_tiff,
    fill_half,
    half,
    resize_bmp,
    resize_jpeg,
    resize_png,
    turned,
    turned_png,
)

ROWS, COLUMNS = np.mgrid[:24, :40]
GREY = (COLUMNS * 5 + ROWS).astype(np.uint8)  # another step down than across
RGB = np.stack([GREY, 255 - GREY, GREY // 2], axis=2)
RGBA = np.dstack([RGB, np.where(COLUMNS < 9, 0, 255).astype(np.uint8)])
MARKED = GREY > 100
PALETTE = np.array([[200, 100, 50], [7, 8, 9]], np.uint8)
NOISE = np.random.default_rng(5).integers(0, 256, (64, 64), np.uint8)
CMYK = np.full((8, 8, 3), (200, 100, 50), np.uint8)
CMYK_JPEG = base64.b64decode(  # of CMYK: OpenCV writes none
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoK"
    "CgYICwwLCgwJCgoK/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAkH/8QAFBABAAAAAAAAAAAAAAAA"
    "AAAAAP/aAA4EQwBNAFkASwAAPwBIEPGOfx//2Q=="
)


SEEN = {
    "grey.png": (encode(".png", GREY), GREY),
    "rgb.png": (encode(".png", RGB), RGB),
    "rgba.png": (encode(".png", RGBA), RGB),  # what is transparent is no less there
    "palette.png": (encode_png(3, 8, MARKED.astype(np.uint8), PALETTE.tobytes()), PALETTE[MARKED.astype(int)]),
    "one bit.png": (encode_png(0, 1, np.packbits(MARKED, axis=1)), MARKED.astype(np.uint8) * 255),
    "grey.jpg": (encode(".jpg", GREY), GREY),
    "colour.jpg": (encode(".jpg", RGB), RGB),
    "cmyk.jpg": (CMYK_JPEG, CMYK),
    "turned.jpg": (turned(encode(".jpg", RGB)), np.rot90(RGB, -1)),  # as a viewer shows it, in which its mask was drawn
    "turned.png": (turned_png(encode(".png", GREY)), np.rot90(GREY, -1)),
    "turned.tif": (encode_tiff([GREY], orientation=6), np.rot90(GREY, -1)),
    "grey.tif": (encode(".tif", GREY), GREY),
    "rgb.tiff": (encode(".tiff", RGB), RGB),
    "big endian.tif": (encode_tiff([GREY], order=">"), GREY),
    "thumbnail.tif": (encode_tiff([GREY, GREY[::4, ::4]], smaller_after=1), GREY),  # which is no picture of its own
    "preview.jpg": (encode(".jpg", GREY) + encode(".jpg", GREY[::2, ::2]), GREY),  # nor is that of a camera
    "padded.jpg": (encode(".jpg", GREY) + bytes(999), GREY),
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
    "changed.jpg": (change_byte(encode(".jpg", NOISE)), "damaged picture"),
    "two.jpg": (encode(".jpg", GREY) + bytes(8) + encode(".jpg", 255 - GREY), "file of 2 pictures"),  # MPO
    "three.png": (animate(encode(".png", GREY), 3), "file of 3 pictures"),
    "huge.png": (resize_png(encode(".png", GREY), 1 << 18, 1 << 12), "picture of 262144 x 4096 px is too large"),
    "huge.jpg": (resize_jpeg(encode(".jpg", GREY), 65500, 16400), "picture of 65500 x 16400 px is too large"),
    "huge.bmp": (resize_bmp(encode(".bmp", GREY), 1 << 18, -(1 << 12)), "picture of 262144 x 4096 px is too large"),
    "huge.tif": (encode_tiff([GREY], size=(1 << 12, 1 << 18)), "picture of 4096 x 262144 px is too large"),
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
