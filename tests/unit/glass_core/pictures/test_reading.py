"""Reading pictures; bad input is one clear line."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.pictures.reading import read_image


def write(path: Path, image: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((4, 4), np.uint8) if image is None else image)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_pictures_are_read_as_grey_or_rgb(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    stored = image if image.ndim == 2 else image[:, :, ::-1]  # OpenCV writes BGR
    found = read_image(write(tmp_path / f"a{suffix}", stored))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, image)


def test_a_jpeg_and_an_alpha_channel_are_read(tmp_path: Path) -> None:
    assert read_image(write(tmp_path / "a.jpg", np.full((8, 8), 90, np.uint8))).shape == (8, 8)
    transparent = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    np.testing.assert_array_equal(read_image(write(tmp_path / "b.png", transparent)), transparent[:, :, 2::-1])


def huge_png() -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"IEND"


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("gone.png", None, "unreadable picture"),
        ("empty.png", lambda _: b"", "damaged picture"),
        ("text.png", lambda _: b"hello", "damaged picture"),
        ("cut.png", lambda content: content[: len(content) // 2], "cut short"),
        ("cut.jpg", lambda content: content[:20], "cut short"),
        ("half.jpg", lambda content: content[: len(content) // 2], "cut short"),
        ("huge.png", lambda _: huge_png(), "too large"),
    ],
)
def test_an_unreadable_picture_is_one_clear_line(tmp_path: Path, name: str, spoil: object, words: str) -> None:
    path = tmp_path / name
    if callable(spoil):
        write(path, np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8))
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=rf"^[^\n]*{words}[^\n]*, {path}, [^\n]+$"):
        read_image(path)


def test_sixteen_bits_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path / "deep.png", np.full((4, 4), 4000, np.uint16))
    with pytest.raises(InputError, match=r"16 bits a sample, .*deep\.png, convert it to 8 bits"):
        read_image(path)
