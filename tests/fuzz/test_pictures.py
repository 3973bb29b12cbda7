"""Picture files and videos broken by chance: what is shown is a picture, and everything else is one line."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from glass_core.errors import InputError
from glass_core.pictures.reading import MAX_PIXELS, read_image
from pipeline.cameras import Shot, make_camera
from pipeline.config.cameras import ReplayConfig
from tests.fuzz.mutation import broken_bytes
from tests.picture_bytes import animate, encode, encode_tiff, turned
from tests.video_files import running_cloth, write_video

PATIENCE_S = 20
MAX_SHOTS = 40_000
GREY = np.random.default_rng(0).integers(0, 256, (24, 40), dtype=np.uint8)
RGB = np.dstack([GREY, 255 - GREY, GREY // 2])
VIDEOS = [
    ("a.mkv", "ffv1", "bgr0"), ("b.mkv", "libx264", "yuv420p"), ("a.mp4", "libx264", "yuv420p"), ("a.mov", "png", "rgb24"),
    ("a.avi", "mjpeg", "yuvj420p"), ("b.avi", "mpeg4", "yuv420p"), ("a.webm", "libvpx", "yuv420p"), ("a.gif", "gif", "rgb8"),
    ("a.ts", "mpeg2video", "yuv420p"), ("a.webp", "libwebp_anim", "bgra"), ("a.mpg", "mpeg2video", "yuv420p"),
]  # fmt: skip


def whole_files(folder: Path) -> list[bytes]:
    """One of each kind that is read."""
    pictures = [encode(suffix, pixels) for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp") for pixels in (GREY, RGB)]
    pages = [encode_tiff([GREY, GREY[:9], GREY], order=order, big=big) for order in "<>" for big in (False, True)]
    several = [animate(encode(".png", GREY), 3), encode(".jpg", GREY) * 2, turned(encode(".jpg", RGB))]
    cloth = running_cloth(8, 32, 48)
    videos = [write_video(folder / name, cloth, codec, pixels).read_bytes() for name, codec, pixels in VIDEOS]
    return [*pictures, *pages, *several, *videos]


def shots(path: Path) -> Iterator[Shot]:
    """As the line would see them."""
    camera = make_camera(ReplayConfig(name="a", source="replay", path=path))
    camera.open()
    yield from (shot for shot in camera.shots() if shot is not None)


def fuzz(seed: int, count: int) -> None:
    """Each file as training reads a picture, and as the line replays it."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        whole, path = whole_files(Path(name)), Path(name) / "x.png"
        for _ in range(count):
            path.write_bytes(broken_bytes(rng.choice(whole), rng))
            begun = time.monotonic()
            try:
                for number, shot in enumerate(shots(path)):
                    assert shot.block_id == number < MAX_SHOTS
                    assert (shot.pixels is None) == bool(shot.error) and shot.error.isprintable()
                    assert 0 < shot.rows <= MAX_PIXELS
                    assert shot.pixels is None or check_pixels(shot.pixels)
            except InputError as error:
                assert str(error).isprintable() and len(str(error)) < 2000, error
            try:
                assert check_pixels(read_image(path))
            except InputError as error:
                assert str(error).isprintable(), error
            assert time.monotonic() - begun < PATIENCE_S, "a file of some kB keeps the line waiting"


def check_pixels(pixels: np.ndarray) -> bool:
    """A picture as all that follows wants it."""
    return pixels.dtype == np.uint8 and pixels.size > 0 and (pixels.ndim == 2 or pixels.shape[2] == 3)


def test_broken_pictures_are_pictures_or_one_line() -> None:
    fuzz(seed=1, count=300)
