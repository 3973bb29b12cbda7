"""Crops show the original pixels and the scores at their true place."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.cloth.joining import Sighting
from pipeline.ledger.crops import Crop, crop_path, cut_crop, map_path
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
    crop = cut(verdict, pixels, cells)
    assert (crop.scores[16:32, 32:48] == 0.5).all() and crop.scores.sum() == 0.5 * 16 * 16


def cut(verdict: Verdict, pixels: np.ndarray, cells: np.ndarray, region: int = 0) -> Crop:
    payloads = cells.astype(np.float32).tobytes(), pixels.tobytes()
    return cut_crop(Path("out"), "run", Sighting(verdict, region), payloads)


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
    crop = cut(verdict, pixels, np.zeros(verdict.cells_shape or ()))
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
    crop = cut(whole, np.zeros((256, 512), np.uint8), cells)
    rows, cols = np.nonzero(crop.scores)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (120, 127, at, at + 7)
    assert crop.scores.max() == 0.75


def test_scores_that_are_not_finite_are_shown_hot() -> None:
    verdict = defect((64, 64), [(0, 0, 64, 64)])
    crop = cut(verdict, np.zeros((64, 64), np.uint8), np.full((8, 8), np.nan))
    assert (crop.scores == 1).all()


def test_each_region_is_cut_at_its_own_place() -> None:
    verdict = defect((512, 640), [(0, 0, 8, 8), (600, 400, 608, 408)])
    pixels = np.random.default_rng(0).integers(0, 256, (512, 640), np.uint8)
    second = cut(verdict, pixels, np.zeros((64, 80)), region=1)
    assert np.array_equal(second.pixels, pixels[340:468, 512:640])
    assert second.path == crop_path(Path("out"), "run", verdict, 1)


@pytest.mark.parametrize("colour", [False, True])
def test_files_are_lossless_pairs(colour: bool) -> None:
    shape = (64, 96, 3) if colour else (64, 96)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    crop = Crop(Path("crops/a.png"), pixels, np.zeros((64, 96), np.float32))
    files = crop.encode()
    assert list(files) == [map_path(crop.path), crop.path], "a crop on disk has its heat map"
    read, overlay = (
        cv2.imdecode(np.frombuffer(files[p], np.uint8), cv2.IMREAD_COLOR) for p in (crop.path, map_path(crop.path))
    )
    assert read is not None
    expected = pixels[..., ::-1] if colour else np.repeat(pixels[..., None], 3, axis=2)
    assert np.array_equal(read, expected)
    assert overlay is not None
    assert np.array_equal(overlay, read), "score 0 leaves the cloth as it is"


def test_names_tell_generation_verdict_camera_frame_and_region() -> None:
    path = crop_path(Path("out"), "r1", defect((64, 64), []), 2)
    assert path == Path("out/crops/r1/1-7_left_4_2.png")
    assert map_path(path) == Path("out/crops/r1/1-7_left_4_2_map.png")
