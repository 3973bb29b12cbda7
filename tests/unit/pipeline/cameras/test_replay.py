"""Replay: order, what counts as a picture, and what becomes of what cannot be read."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.pictures.reading import PictureError, read_image
from pipeline.cameras import Shot, make_camera
from pipeline.cameras.picture import write_png
from pipeline.cameras.replay import list_pictures
from pipeline.config.cameras import ReplayConfig
from tests.picture_bytes import encode_tiff

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (12, 20), dtype=np.uint8)
RGB = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)


def replay(path: Path, **settings: Any) -> tuple[dict[str, Any], list[Shot]]:
    camera = make_camera(ReplayConfig(name="a", source="replay", path=path, **settings))
    facts = camera.open()
    camera.trigger()
    try:
        return facts, [shot for shot in islice(camera.shots(), 100) if shot]
    finally:
        camera.close()
        camera.close()


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_png(root / name, GREY)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["s10.png", "s2.png", "s1.PNG"], ["s1.PNG", "s2.png", "s10.png"]),  # numbers by value, any case of suffix
        (["b.png", "a/deep.png", ".hidden.png"], ["b.png"]),  # its own files only
        (
            ["test/hole/1.png", "test/good/9.png", "train/good/10.png", "train/good/9.png", "ground_truth/hole/1_mask.png"],
            ["train/good/9.png", "train/good/10.png", "test/good/9.png", "test/hole/1.png"],
        ),
        (["test/hole/1.png", "readme.png"], ["test/hole/1.png"]),
    ],
)
def test_order(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    touch(tmp_path, *names)
    (tmp_path / "notes.txt").write_text("not a picture")
    assert [str(p.relative_to(tmp_path)) for p in list_pictures(tmp_path)] == expected


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_pixels_are_exact(tmp_path: Path, pixels: np.ndarray) -> None:
    write_png(tmp_path / "x.png", pixels)
    facts, shots = replay(tmp_path)
    assert np.array_equal(shots[0].pixels, pixels)
    assert shots[0].origin == str(tmp_path / "x.png")
    assert (facts["kind"], facts["frames"], facts["height"], facts["width"]) == ("pictures", 1, 12, 20)


def test_colour_order_is_rgb(tmp_path: Path) -> None:
    blue = np.zeros((4, 4, 4), np.uint8)
    blue[..., 0] = blue[..., 3] = 255  # OpenCV stores BGRA
    cv2.imwrite(str(tmp_path / "x.png"), blue)
    assert read_image(tmp_path / "x.png")[0, 0].tolist() == [0, 0, 255]


def damage(root: Path, name: str) -> None:
    whole = cv2.imencode(".png", GREY)[1].tobytes()
    match name:
        case "cut.png":
            (root / name).write_bytes(whole[: len(whole) // 2])
        case "empty.png":
            (root / name).write_bytes(b"")
        case "text.png":
            (root / name).write_text("no picture at all")
        case "deep.png":
            cv2.imwrite(str(root / name), GREY.astype(np.uint16))
        case "gone.png":
            (root / name).symlink_to(root / "nowhere.png")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cut.png", "picture cut short"),
        ("empty.png", "damaged picture"),
        ("text.png", "damaged picture or unknown format"),
        ("deep.png", "convert it to 8 bit"),
        ("gone.png", r"unreadable picture \(No such file"),
    ],
)
def test_unusable_picture_is_refused_in_words(tmp_path: Path, name: str, why: str) -> None:
    damage(tmp_path, name)
    with pytest.raises(PictureError, match=why):
        read_image(tmp_path / name)


def test_unusable_picture_is_a_damaged_shot_of_the_last_known_height(tmp_path: Path) -> None:
    damage(tmp_path, "cut.png")
    (tmp_path / "cut.png").rename(tmp_path / "1.png")
    write_png(tmp_path / "2.png", GREY)
    write_png(tmp_path / "3.png", RGB[:6])
    damage(tmp_path, "deep.png")
    (tmp_path / "deep.png").rename(tmp_path / "4.png")
    _, shots = replay(tmp_path)
    assert [(s.pixels is None, s.rows, s.block_id, bool(s.error)) for s in shots] == [
        (True, 12, 0, True),
        (False, 12, 1, False),
        (False, 6, 2, False),
        (True, 6, 3, True),
    ]


def test_a_picture_deleted_after_open_is_damaged(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "2.png")
    camera = make_camera(ReplayConfig(name="a", source="replay", path=tmp_path))
    camera.open()
    shots = camera.shots()
    next(shots)
    (tmp_path / "2.png").unlink()
    shot = next(shots)
    assert shot is not None and shot.pixels is None and "No such file" in shot.error


def test_each_page_of_a_file_is_a_picture(tmp_path: Path) -> None:
    pages = [GREY, GREY[:5], 255 - GREY]
    (tmp_path / "2.tif").write_bytes(encode_tiff(pages))
    write_png(tmp_path / "1.png", RGB)
    write_png(tmp_path / "3.png", GREY)
    facts, shots = replay(tmp_path)
    assert facts["frames"] is None  # nobody has counted
    assert [(Path(s.origin).name, s.block_id, s.rows) for s in shots] == [
        ("1.png", 0, 12), ("2.tif[0]", 1, 12), ("2.tif[1]", 2, 5), ("2.tif[2]", 3, 12), ("3.png", 4, 12),
    ]  # fmt: skip
    for shot, page in zip(shots[1:4], pages, strict=True):
        np.testing.assert_array_equal(shot.pixels, page)
    assert len(replay(tmp_path / "2.tif")[1]) == 3


def test_the_rest_of_a_file_of_pages_that_ends_too_early_is_damaged(tmp_path: Path) -> None:
    whole = encode_tiff([GREY, GREY[:5], GREY])
    (tmp_path / "1.tif").write_bytes(whole[: whole.rindex(GREY.tobytes())])
    write_png(tmp_path / "2.png", GREY)
    _, shots = replay(tmp_path)
    assert [(s.pixels is None, s.rows, s.block_id, s.error[:25]) for s in shots] == [
        (False, 12, 0, ""), (False, 5, 1, ""), (True, 5, 2, "file damaged after page 2"), (False, 12, 3, ""),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["pages.tif", "pages.png", "pages"])
def test_what_a_file_is_called_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encode_tiff([GREY, GREY]))
    assert [s.block_id for s in replay(tmp_path / name)[1]] == [0, 1]


def test_loop_counts_on(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "2.png", "3.png")
    _, shots = replay(tmp_path, loop=True)
    assert [s.block_id for s in shots] == list(range(100))
    assert shots[4].origin.endswith("2.png")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "nothing to replay"),
        (lambda p: p.mkdir(), "no images in the folder"),
        (lambda p: touch(p, "good/1.png"), "no images in the folder"),
        (lambda p: p.write_text("neither"), "neither image nor video"),
        (lambda p: (p.mkdir(), damage(p, "deep.png")), "no readable picture.*deep.png.*8 bit"),
    ],
)
def test_sources_that_are_none(tmp_path: Path, make: Any, said: str) -> None:
    make(tmp_path / "x")
    with pytest.raises(InputError, match=said) as refused:
        replay(tmp_path / "x")
    assert "\n" not in str(refused.value)


def test_one_image_file_is_a_source(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "2.png")
    assert len(replay(tmp_path / "2.png")[1]) == 1


def test_video(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for level in (40, 120, 200):
        writer.write(np.full((48, 64, 3), (0, 0, level), np.uint8))
    writer.release()
    facts, shots = replay(path)
    assert facts["kind"] == "video" and facts["frames"] == 3
    assert [s.origin for s in shots] == [f"{path}#{n}" for n in range(3)]
    reds = [float(s.pixels[..., 0].mean()) for s in shots if s.pixels is not None]
    assert reds == pytest.approx([40, 120, 200], abs=6)  # JPEG
    assert all(s.pixels[..., 2].mean() < 12 for s in shots if s.pixels is not None)
