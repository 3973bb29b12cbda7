"""The smooth map equals the official one."""

import numpy as np
import pytest

from glass_core.pictures.anomaly_map import smooth_map, smooth_odds
from tests.shared_data import shared


def test_equals_the_official_map() -> None:
    golden = np.load(shared("goldens/anomaly_map.npz"))
    for scores, expected in zip(golden["scores"], golden["map"], strict=True):
        np.testing.assert_allclose(smooth_map(scores), expected, atol=1e-5)


def test_a_single_cell_spreads_about_its_own_place_and_a_flat_map_stays_flat() -> None:
    cells = np.zeros((12, 20), np.float32)
    cells[5, 11] = 1
    spread = smooth_map(cells)
    y, x = np.unravel_index(spread.argmax(), spread.shape)
    assert spread.shape == (96, 160)
    assert (y // 8, x // 8) == (5, 11)
    np.testing.assert_allclose(spread.sum(), 64, rtol=1e-4)  # a cell's 64 px, moved but not lost
    np.testing.assert_allclose(smooth_map(np.full((4, 5), 0.25, np.float32)), 0.25, atol=1e-6)


def test_in_log_odds_a_cell_beyond_doubt_weighs_more_than_doubtful_neighbours() -> None:
    np.testing.assert_allclose(smooth_odds(np.full((4, 5), 0.25, np.float32)), 0.25, atol=1e-6)
    cells = np.full((9, 9), 0.5, np.float32)
    peaks = []
    for certain in (0.9, 0.999, 0.99999, 1.0):
        cells[4, 4] = certain
        peaks.append(float(smooth_odds(cells).max()))
    assert peaks == sorted(peaks) and peaks[-1] > 0.99 > smooth_map(cells).max() and peaks[-1] < 1
    assert np.isnan(smooth_odds(np.full((4, 4), np.nan, np.float32))).all()


def test_cloth_that_differs_as_a_whole_is_raised_by_its_share_and_a_defect_stands_as_far_above_it() -> None:
    log_odds = np.zeros((9, 9), np.float32)
    log_odds[4, 4] = 5.0
    maps = []
    for roll in (0.0, 2.0):
        cells = 1 / (1 + np.exp(-(log_odds + roll)))
        p = smooth_odds(cells.astype(np.float32), median_share=0.5).astype(np.float64)
        maps.append(np.log(p / (1 - p)))
    np.testing.assert_allclose(maps[1] - maps[0], 1.0, atol=1e-3)
    np.testing.assert_allclose(smooth_odds(np.full((4, 5), 0.8, np.float32), median_share=0.5), 2 / 3, atol=1e-6)


@pytest.mark.parametrize("cell_px", [4, 8, 16])
def test_sigma_is_half_a_cell_or_as_told(cell_px: int) -> None:
    cells = np.zeros((21, 21), np.float32)
    cells[10, 10] = 1
    place = np.arange(21 * cell_px) - 21 * cell_px / 2 + 0.5

    def spread(sigma_px: float | None) -> float:
        across = smooth_map(cells, cell_px, sigma_px).astype(np.float64).sum(axis=0)
        return float((across * place**2).sum() / across.sum())

    assert spread(4.0) - spread(2.0) == pytest.approx(4**2 - 2**2, rel=0.02)  # variances add; four sigma are not all
    assert spread(None) == spread(cell_px / 2)
