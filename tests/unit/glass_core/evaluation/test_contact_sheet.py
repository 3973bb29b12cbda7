"""The contact sheet shows the right tiles, once each."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.evaluation.contact_sheet import TILES_SHOWN, Suspects, write_contact_sheet
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling

DEFINITION = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=32), inspect_x_px=(16, 336))


def picture(peaks: dict[tuple[int, int], float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score_map = rng.uniform(0, 0.1, (16, 40)).astype(np.float32)
    for cell, score in peaks.items():
        score_map[cell] = score
    return rng.integers(0, 256, (128, 340), dtype=np.uint8), score_map


def test_the_highest_tiles_of_all_pictures_come_first_each_place_once() -> None:
    suspects = Suspects(DEFINITION)
    first, first_map = picture({(2, 5): 0.9, (12, 30): 0.6})
    second, second_map = picture({(8, 18): 0.8}, seed=1)
    suspects.add("one", Path("one.png"), first, first_map)
    suspects.add("two", Path("two.png"), second, second_map)
    top = suspects.highest[:3]
    assert [(each.key, round(each.score, 4)) for each in top] == [("one", 0.9), ("two", 0.8), ("one", 0.6)]
    assert len(suspects.highest) == TILES_SHOWN
    for each, (row, col) in zip(top, [(2, 5), (8, 18), (12, 30)], strict=True):
        assert each.x_px <= 16 + 8 * col < each.x_px + 64 and each.y_px <= 8 * row < each.y_px + 64
        image = first if each.key == "one" else second
        np.testing.assert_array_equal(each.pixels, image[each.y_px : each.y_px + 64, each.x_px : each.x_px + 64])
        assert each.cells.max() == np.float32(each.score)


@pytest.mark.parametrize("shape", [(128, 340), (128, 340, 3), (40, 339)])
def test_a_sheet_is_written_for_grey_colour_and_small_pictures(tmp_path: Path, shape: tuple[int, ...]) -> None:
    suspects = Suspects(DEFINITION)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    rows = -(-shape[0] // 8)
    suspects.add("key", Path("a picture.png"), image, np.random.default_rng(1).random((rows, 40), dtype=np.float32))
    write_contact_sheet(tmp_path / "sheet.png", suspects.highest)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[2] == 3 and sheet.std() > 10
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize("cell_px", [8, 16])
def test_tiles_that_end_between_two_cells_are_shown(tmp_path: Path, cell_px: int) -> None:
    tiling = Tiling.model_validate({"tile_px": 64, "overlap_px": 32, "cell_px": cell_px})
    suspects = Suspects(ScoreDefinition(tiling=tiling))
    image = np.random.default_rng(0).integers(0, 256, (44, 339), dtype=np.uint8)
    cells = np.random.default_rng(1).random((-(-44 // cell_px), -(-339 // cell_px)), dtype=np.float32)
    suspects.add("key", Path("a picture.png"), image, cells)
    write_contact_sheet(tmp_path / "sheet.png", suspects.highest)
    assert cv2.imread(str(tmp_path / "sheet.png")).std() > 10


def test_no_tiles_give_an_empty_sheet(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "sheet.png", [])
    assert (cv2.imread(str(tmp_path / "sheet.png")) == 255).all()
