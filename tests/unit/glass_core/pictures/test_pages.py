"""Files of several pictures: the pages of a TIFF are found and decoded one by one, what is no picture of its own is not."""

import struct
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.pictures.headers import FORMATS
from glass_core.pictures.reading import Pages, PictureError, read_image
from tests.picture_bytes import animate, encode, encode_tiff

NAMED = Path("cloth.tif")
RNG = np.random.default_rng(11)
PAGES = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in ((6, 9), (6, 9), (5, 4), (7, 2))]


@pytest.mark.parametrize(("order", "big"), list(product("<>", (False, True))))
def test_each_page_is_decoded_by_itself_in_any_order(order: str, big: bool) -> None:
    pages = Pages(encode_tiff(PAGES, order=order, big=big), NAMED)
    assert len(pages) == 4 and pages.error is None
    for number in (2, 0, 3, 1, 0):
        np.testing.assert_array_equal(pages.decode(number), PAGES[number])


def test_pages_that_opencv_compressed(tmp_path: Path) -> None:
    colour = [RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8) for _ in range(5)]
    pages = Pages(cv2.imencodemulti(".tif", colour)[1].tobytes(), NAMED)
    assert [pages.decode(n).tobytes() for n in range(len(pages))] == [page[:, :, ::-1].tobytes() for page in colour]


def test_an_unusable_page_spoils_no_other() -> None:
    content = bytearray(encode_tiff(PAGES))
    at = content.index(struct.pack("<HHII", 256, 4, 1, PAGES[2].shape[1])) + 8
    content[at : at + 4] = struct.pack("<I", 1 << 29)
    pages = Pages(bytes(content), NAMED)
    with pytest.raises(PictureError, match="too large"):
        pages.decode(2)
    np.testing.assert_array_equal(pages.decode(3), PAGES[3])


def point_to(content: bytes, place: int) -> bytes:
    """The last page leads on to `place`, which is no page."""
    return content[:-4] + struct.pack("<I", place)


@pytest.mark.parametrize("place", [1 << 30, 62, 3])  # beyond the file, a page that was seen, within the header
def test_a_file_whose_pages_do_not_end_tells_so(tmp_path: Path, place: int) -> None:
    content = encode_tiff(PAGES)
    assert struct.unpack_from("<I", content, 4)[0] == 62
    pages = Pages(point_to(content, place), NAMED)
    assert len(pages) == 4
    assert pages.error is not None and str(pages.error).startswith("file damaged after page 4, cloth.tif, ")
    (tmp_path / "one.tif").write_bytes(point_to(encode_tiff(PAGES[:1]), place))
    with pytest.raises(PictureError, match="file damaged after page 1"):
        read_image(tmp_path / "one.tif")


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (encode_tiff(PAGES), 4),
        (encode(".jpg", PAGES[0]) * 3, 3),
        (animate(encode(".png", PAGES[0]), 7), 7),
    ],
)
def test_a_data_set_takes_no_file_of_several_pictures(tmp_path: Path, content: bytes, count: int) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(PictureError, match=rf"^file of {count} pictures, {tmp_path}/x.png, save each of them as a file"):
        read_image(tmp_path / "x.png")


def test_an_animation_of_one_frame_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(animate(encode(".png", PAGES[0]), 1))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), PAGES[0])


def test_a_thumbnail_before_the_picture_is_not_taken_for_it() -> None:
    content = bytearray(encode_tiff([PAGES[3], PAGES[0]]))
    at = content.index(struct.pack("<HHI", 254, 4, 1)) + 8  # NewSubfileType of the first
    content[at : at + 4] = struct.pack("<I", 1)
    pages = Pages(bytes(content), NAMED)
    assert len(pages) == 1
    np.testing.assert_array_equal(pages.decode(0), PAGES[0])


def test_directories_that_share_their_entries_end_soon() -> None:
    """2,000 of them, six bytes apart, each of 4,000 entries: to follow all would take minutes."""
    count, many, step = 4000, 2000, 6
    content = bytearray(b"II*\0" + struct.pack("<I", 8)) + bytes(step * many + 12 * count + 8)
    for n in range(many):
        struct.pack_into("<H", content, 8 + step * n, count)
        struct.pack_into("<I", content, 8 + step * n + 2 + 12 * count, 8 + step * (n + 1))
    read: list[object] = []
    with pytest.raises(ValueError):
        for page in FORMATS[3].headers(bytes(content)):
            read.append(page)
    assert len(read) < 3


def test_many_beginnings_after_a_jpeg_are_not_all_followed() -> None:
    content = encode(".jpg", PAGES[0]) + b"\xff\xd8" * 200_000 + b"\xff\xd9"
    assert len(list(FORMATS[1].headers(content))) == 1
