"""Perlin noise equals the official one, and random masks have its statistics."""

import numpy as np
import pytest

from glass_core.synthesis.perlin import draw_mask, max_pool_cells, perlin_noise
from tests.shared_data import shared


@pytest.mark.parametrize("index", range(4))
def test_noise_equals_the_official_noise(index: int) -> None:
    golden = np.load(shared("goldens/perlin.npz"))
    np.testing.assert_allclose(perlin_noise(golden[f"angles_{index}"], 288), golden[f"noise_{index}"], atol=1e-5)


@pytest.mark.parametrize("size_px", [96, 100, 256])  # 100 is no multiple of the lattice
def test_noise_is_the_textbook_formula_pixel_by_pixel(size_px: int) -> None:
    rng = np.random.default_rng(size_px)
    angles = rng.uniform(0, 2 * np.pi, (5, 9))
    noise = perlin_noise(angles, size_px)
    for y, x in rng.integers(0, size_px, (50, 2)):
        v, u = y * 4 / size_px, x * 8 / size_px
        row, col = int(v), int(u)
        v, u = v - row, u - col
        fade_v, fade_u = (6 * t**5 - 15 * t**4 + 10 * t**3 for t in (v, u))
        corners = [
            [np.cos(angles[row + a, col + b]) * (v - a) + np.sin(angles[row + a, col + b]) * (u - b) for b in (0, 1)]
            for a in (0, 1)
        ]
        value = [1 - fade_v, fade_v] @ np.array(corners) @ [1 - fade_u, fade_u] * np.sqrt(2)
        assert noise[y, x] == pytest.approx(value, abs=1e-5)


def test_a_cell_with_one_anomalous_pixel_counts() -> None:
    mask = np.zeros((32, 32), bool)
    mask[8, 31] = True
    cells = max_pool_cells(mask)
    assert np.argwhere(cells).tolist() == [[1, 3]]


def test_mask_statistics_are_those_of_the_paper_s_code() -> None:
    rng = np.random.default_rng(4)
    draws = [draw_mask(288, rng) for _ in range(1000)]  # standard error of the mean cell coverage: 0.0035
    pixels = np.array([mask.mean() for mask, _ in draws])
    cells = np.array([cell_mask.mean() for _, cell_mask in draws])
    corner = np.mean([cell_mask[:4, :4].any() for _, cell_mask in draws])
    centre = np.mean([cell_mask[16:20, 16:20].mean() for _, cell_mask in draws])
    assert all(cell_mask.any() for _, cell_mask in draws)
    assert cells.mean() == pytest.approx(0.144, abs=0.015)
    assert pixels.mean() == pytest.approx(0.055, abs=0.005)
    assert np.median(cells) == pytest.approx(0.123, abs=0.02)
    assert np.quantile(cells, 0.95) == pytest.approx(0.36, abs=0.04)
    assert corner < centre  # turning the noise empties the corners


def test_the_same_generator_state_gives_the_same_mask() -> None:
    first, again = (draw_mask(64, np.random.default_rng(7)) for _ in range(2))
    other = draw_mask(64, np.random.default_rng(8))
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != other[0]).any()


def test_masks_keep_to_the_foreground() -> None:
    foreground = np.zeros((64, 64), bool)
    foreground[20:44, 10:50] = True
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask, cells = draw_mask(64, rng, foreground)
        assert not mask[~foreground].any()
        assert cells.any()


def test_an_empty_foreground_is_dropped_rather_than_waited_for() -> None:
    mask, cells = draw_mask(64, np.random.default_rng(0), np.zeros((64, 64), bool))
    assert mask.any() and cells.any()
