"""What is reported of a roll counts what lies on the mark, and the other rolls differ as they are said to."""

from __future__ import annotations

import numpy as np
import pytest

from tools.studies.rolls import Tiles, figures, interval, near_mark, over_rolls
from tools.studies.shifted_rolls import Roll

SAME = Roll(gain=1, gamma=1, gradient=0, sigma_px=0, stretch_x=1, stretch_y=1, noise=0)
PICTURE = np.random.default_rng(4).integers(60, 180, (96, 160), dtype=np.uint8)


def with_(**fields: float) -> Roll:
    return Roll(**{**SAME.__dict__, **fields})


def test_a_cell_is_near_the_mark_by_pixels_on_either_side() -> None:
    mask = np.zeros((64, 100), dtype=bool)
    mask[30, 40] = True
    near = near_mark(mask, (16, 25), 4)
    assert near.shape == (16, 25)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (14 // 4, 46 // 4, 24 // 4, 56 // 4)


def test_cells_beyond_the_picture_are_near_nothing() -> None:
    mask = np.zeros((30, 30), dtype=bool)
    mask[29, 29] = True
    assert near_mark(mask, (8, 8), 4)[:, :3].sum() == 0


@pytest.mark.parametrize(
    ("count", "of", "least", "most"), [(0, 108, 0.0, 0.0336), (2, 108, 0.00225, 0.0653), (108, 108, 0.9664, 1.0)]
)
def test_the_interval_is_the_exact_one(count: int, of: int, least: float, most: float) -> None:
    assert interval(count, of) == pytest.approx((least, most), abs=2e-4)


def test_recall_is_counted_at_the_card_and_at_what_the_good_tiles_allow() -> None:
    good = np.linspace(0.1, 0.5, 200)
    tiles = Tiles(good, np.array([0.2, 0.499, 0.6, 0.9]), np.array([[9, 0]] * 199 + [[9, 3]]), good_m2=0.5)
    assert tiles.ceiling == pytest.approx(np.sort(good)[-3])
    found = figures(tiles, 0.55, card=1)
    assert (found["found"], found["ceiling"], found["good_alarmed"]) == (0.5, 0.75, 0)
    assert found["share_of_ceiling"] == pytest.approx(2 / 3) and found["false_alarms_per_100_m2"] == 600


def test_few_good_tiles_allow_none_of_them() -> None:
    assert Tiles(np.array([0.1, 0.7, 0.3]), np.array([0.8]), np.zeros((3, 1), dtype=np.int64), 1.0).ceiling == 0.7


def test_the_worst_roll_is_told_on_each_side() -> None:
    rolls = [{"found": f, "good_alarmed": a, "good": 50} for f, a in ((0.9, 0), (0.2, 1), (0.8, 5))]
    assert over_rolls(rolls) == {
        "median_found": 0.8, "worst_found": 0.2, "median_good_alarmed": 0.02, "worst_good_alarmed": 0.1,
    }  # fmt: skip


def test_a_roll_like_the_first_changes_nothing() -> None:
    assert np.abs(SAME.picture(PICTURE, 3).astype(int) - PICTURE).max() <= 1


def test_each_change_is_seen_where_it_is_made() -> None:
    def mean(roll: Roll, columns: slice = slice(None)) -> float:
        return float(roll.picture(PICTURE, 3)[:, columns].mean())

    usual = float(PICTURE.mean())
    assert mean(with_(gain=1.1)) == pytest.approx(1.1 * usual, rel=0.01)
    assert mean(with_(gamma=0.9)) > usual > mean(with_(gamma=1.1))
    sloped = with_(gradient=0.08)
    assert mean(sloped, slice(-16, None)) > mean(SAME, slice(-16, None)) * 1.02
    assert mean(sloped, slice(16)) < mean(SAME, slice(16)) * 0.98
    assert (
        np.diff(with_(sigma_px=0.8).picture(PICTURE, 3).astype(int), axis=1).std()
        < 0.6 * np.diff(PICTURE.astype(int), axis=1).std()
    )
    assert with_(stretch_x=1.03, stretch_y=0.97).picture(PICTURE, 3).shape == (93, 165)
    noisy = with_(noise=3.0)
    assert (noisy.picture(PICTURE, 3).astype(int) - PICTURE).std() == pytest.approx(3, rel=0.1)
    assert not np.array_equal(noisy.picture(PICTURE, 3), noisy.picture(PICTURE, 4))


def test_a_colour_picture_is_changed_alike() -> None:
    colour = np.repeat(PICTURE[..., None], 3, axis=2)
    seen = with_(gradient=-0.08, gain=0.95, stretch_x=0.98).picture(colour, 3)
    assert seen.shape == (96, 157, 3) and np.array_equal(seen[..., 0], seen[..., 2])


def test_one_draw_is_one_roll_and_a_mask_goes_with_its_picture() -> None:
    assert Roll.drawn(5) == Roll.drawn(5) != Roll.drawn(6)
    mask = np.zeros((96, 160), dtype=bool)
    mask[10, 150] = True
    moved = with_(stretch_x=1.03, stretch_y=0.97).mask(mask)
    y, x = np.nonzero(moved)
    assert moved.shape == (93, 165) and 9 <= y.mean() <= 11 and 153 <= x.mean() <= 156
