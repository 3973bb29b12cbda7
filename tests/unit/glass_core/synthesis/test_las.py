"""Local anomaly synthesis: the blend, its strength, and where labels lie."""

import numpy as np
import pytest

from glass_core.synthesis.las import Synthesiser, draw_beta, fuse
from glass_core.synthesis.perlin import max_pool_cells
from glass_core.synthesis.texture import ProceduralTextures
from glass_core.synthesis.yarns import Yarns


@pytest.fixture
def tile() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 3)])
def test_fusion_is_the_equation(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    image, texture = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
    mask = rng.random((64, 64)) < 0.3
    m = mask if len(shape) == 2 else mask[:, :, None]
    expected = image * (1.0 - m) + (1 - 0.3) * texture * m + 0.3 * image * m
    np.testing.assert_allclose(fuse(image, texture, mask, 0.3), expected, atol=1e-4)
    np.testing.assert_array_equal(fuse(image, texture, mask, 1.0), image)
    np.testing.assert_array_equal(fuse(image, texture, np.zeros_like(mask), 0.3), image)


def test_beta_is_a_clipped_normal() -> None:
    rng = np.random.default_rng(0)
    betas = np.array([draw_beta(rng, 0.5, 0.1) for _ in range(4000)])
    assert betas.mean() == pytest.approx(0.5, abs=4 * 0.1 / np.sqrt(4000))
    assert betas.std() == pytest.approx(0.1, rel=0.05)
    assert betas.min() >= 0.2 and betas.max() <= 0.8
    wide = [draw_beta(rng, 0.5, 1.0) for _ in range(200)]
    assert min(wide) == 0.2 and max(wide) == 0.8


def test_what_is_changed_is_labelled_and_what_is_labelled_is_changed(tile: np.ndarray) -> None:
    synthesise = Synthesiser(ProceduralTextures(), 64)
    for seed in range(20):
        augmented, labels = synthesise(tile, np.random.default_rng(seed))
        changed = max_pool_cells((augmented != tile).any(axis=2))
        assert labels.dtype == np.float32 and set(np.unique(labels)) <= {0.0, 1.0}
        assert labels.any()
        assert not (changed & (labels == 0)).any()
        assert (changed == (labels == 1)).mean() > 0.95  # a texture may equal the tile in single pixels
        assert augmented.min() >= 0 and augmented.max() <= 255


def test_all_randomness_comes_from_the_generator(tile: np.ndarray) -> None:
    synthesise = Synthesiser(ProceduralTextures(), 64)
    first, again, other = (synthesise(tile, np.random.default_rng(seed))[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_grey_tile_stays_grey(tile: np.ndarray) -> None:
    augmented, labels = Synthesiser(ProceduralTextures(), 64)(tile[:, :, 0], np.random.default_rng(0))
    assert augmented.shape == (64, 64) and labels.shape == (8, 8)


def test_a_larger_beta_is_a_weaker_defect(tile: np.ndarray) -> None:
    weak, strong = (Synthesiser(ProceduralTextures(), 64, beta, 0.0) for beta in (0.75, 0.25))
    changes = [np.abs(make(tile, np.random.default_rng(9))[0] - tile).sum() for make in (weak, strong)]
    assert changes[1] == pytest.approx(3 * changes[0], rel=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.8, 1.0])
def test_so_large_a_share_of_tiles_has_faults_of_weaving(
    tile: np.ndarray, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    woven = []

    def faulty(given: np.ndarray, *_: object) -> tuple[np.ndarray, np.ndarray]:
        woven.append(seed)
        return given.astype(np.float32), np.ones((64, 64), bool)

    monkeypatch.setattr("glass_core.synthesis.las.weave_faults", faulty)
    yarns = Yarns(0.0, 6.0), Yarns(0.1, 9.0)
    with_yarns = Synthesiser(ProceduralTextures(), 64, yarns=yarns, weave_share=share)
    without = Synthesiser(ProceduralTextures(), 64, weave_share=share)
    for seed in range(60):
        with_yarns(tile, np.random.default_rng(seed))
        without(tile, np.random.default_rng(seed))
    assert woven == [seed for seed in range(60) if np.random.default_rng(seed).random() < share]


def test_defects_keep_to_the_foreground(tile: np.ndarray) -> None:
    foreground = np.zeros((64, 64), bool)
    foreground[:, 32:] = True
    augmented, labels = Synthesiser(ProceduralTextures(), 64)(tile, np.random.default_rng(0), foreground)
    np.testing.assert_array_equal(augmented[:, :32], tile[:, :32])
    assert not labels[:, :4].any() and labels.any()
