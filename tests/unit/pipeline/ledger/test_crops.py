"""Crops show the original pixels and the scores at their true place."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.ledger.crops import Crop, crop_path, cut_crops, map_path
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict


def defect(shape: tuple[int, ...], regions: list[tuple[int, int, int, int]], left: int | None = None) -> Verdict:
    return Verdict(
        number=7,
        generation=1,
        camera="left",
        boot_id="b",
        seq=4,
        result=Result.DEFECT,
        t_mono_ns=0,
        t_utc_ns=0,
        regions=tuple(Region(x0_px=a, y0_px=b, x1_px=c, y1_px=d, score=0.9) for a, b, c, d in regions),
        inspect_x_px=None if left is None else (left, shape[1]),
        frame_shape=shape,
        cells_shape=(shape[0] // 8, (shape[1] - (left or 0)) // 8),
    )


def test_a_cell_is_as_large_as_the_verdict_says() -> None:
    pixels, cells = np.zeros((64, 96), np.uint8), np.zeros((4, 6))
    cells[1, 2] = 0.5
    verdict = defect((64, 96), [(32, 16, 48, 32)]).model_copy(update={"cells_shape": (4, 6), "cell_px": 16})
    (crop,) = cut(verdict, pixels, cells)
    assert (crop.scores[16:32, 32:48] == 0.5).all() and crop.scores.sum() == 0.5 * 16 * 16


def cut(verdict: Verdict, pixels: np.ndarray, cells: np.ndarray, most: int = 3) -> list[Crop]:
    return cut_crops(Path("out"), "run", verdict, (cells.astype(np.float32).tobytes(), pixels.tobytes()), most)


@pytest.mark.parametrize(
    ("shape", "box", "window"),
    [
        ((512, 640), (200, 304, 240, 328), (252, 380, 156, 284)),  # small: 128 px around it
        ((512, 640), (0, 0, 8, 8), (0, 128, 0, 128)),  # shifted inside at a corner
        ((512, 640), (0, 100, 640, 108), (40, 168, 0, 640)),  # across the cloth: the frame's width
        ((64, 96), (8, 8, 16, 16), (0, 64, 0, 96)),  # a frame below the smallest crop
        ((2000, 96), (0, 0, 96, 2000), (488, 1512, 0, 96)),  # never larger than 1024 px
    ],
)
def test_the_crop_is_the_original_pixels_around_the_region(
    shape: tuple[int, int], box: tuple[int, int, int, int], window: tuple[int, int, int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    verdict = defect(shape, [box])
    (crop,) = cut(verdict, pixels, np.zeros(verdict.cells_shape or ()))
    y0, y1, x0, x1 = window
    assert np.array_equal(crop.pixels, pixels[y0:y1, x0:x1])
    assert crop.scores.shape == crop.pixels.shape


@pytest.mark.parametrize("left", [None, 64, 100])
def test_a_hot_cell_lies_over_its_own_pixels(left: int | None) -> None:
    verdict = defect((256, 512), [(300, 120, 308, 128)], left)
    cells = np.zeros(verdict.cells_shape or ())
    cells[15, 10] = 0.75
    at = (left or 0) + 80
    whole = defect((256, 512), [(0, 0, 512, 256)], left)
    (crop,) = cut(whole, np.zeros((256, 512), np.uint8), cells)
    rows, cols = np.nonzero(crop.scores)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (120, 127, at, at + 7)
    assert crop.scores.max() == 0.75


def test_scores_that_are_not_finite_are_shown_hot() -> None:
    verdict = defect((64, 64), [(0, 0, 64, 64)])
    (crop,) = cut(verdict, np.zeros((64, 64), np.uint8), np.full((8, 8), np.nan))
    assert (crop.scores == 1).all()


def test_only_the_strongest_regions_are_cut_and_nothing_without_pixels() -> None:
    boxes = [(i * 8, 0, i * 8 + 8, 8) for i in range(5)]
    verdict = defect((64, 64), boxes)
    assert len(cut(verdict, np.zeros((64, 64), np.uint8), np.zeros((8, 8)), most=3)) == 3
    bare = verdict.model_copy(update={"cells_shape": None})
    assert cut_crops(Path("out"), "run", bare, (), 3) == []


@pytest.mark.parametrize("colour", [False, True])
def test_files_are_lossless_pairs_without_leftovers(tmp_path: Path, colour: bool) -> None:
    shape = (64, 96, 3) if colour else (64, 96)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    crop = Crop(tmp_path / "crops" / "a.png", pixels, np.zeros((64, 96), np.float32))
    size = crop.write()
    files = sorted(crop.path.parent.iterdir())
    assert files == [crop.path, map_path(crop.path)]
    assert size == sum(f.stat().st_size for f in files)
    read = cv2.imread(str(crop.path))
    assert read is not None
    expected = pixels[..., ::-1] if colour else np.repeat(pixels[..., None], 3, axis=2)
    assert np.array_equal(read, expected)
    overlay = cv2.imread(str(map_path(crop.path)))
    assert overlay is not None
    assert np.array_equal(overlay, read), "score 0 leaves the cloth as it is"


def test_a_failed_write_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.mkdir()
    with pytest.raises(OSError):
        Crop(path, np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.float32)).write()
    assert sorted(tmp_path.iterdir()) == [path]


def test_names_tell_generation_verdict_camera_frame_and_region() -> None:
    path = crop_path(Path("out"), "r1", defect((64, 64), []), 2)
    assert path == Path("out/crops/r1/1-7_left_4_2.png")
    assert map_path(path) == Path("out/crops/r1/1-7_left_4_2_map.png")
