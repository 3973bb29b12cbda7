"""Training tiles: a function of (seed, epoch, index), inside the inspected range, with their defects marked."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import glass_core.synthesis.samples
from glass_core.config import TrainConfig
from glass_core.errors import InputError
from glass_core.pictures.continuation import continued
from glass_core.pictures.reading import read_image
from glass_core.synthesis.samples import TileSource
from glass_core.synthesis.texture import ProceduralTextures


def picture(path: Path, height: int = 64, width: int = 200, colour: bool = False) -> Path:
    """Its grey level tells the column, so that a tile tells where it was cut."""
    image = np.tile(np.arange(width, dtype=np.uint8), (height, 1))
    cv2.imwrite(str(path), np.dstack([image] * 3) if colour else image)
    return path


PASTED = {"tile_px": 64, "overlap_px": 16, "border_px": 0, "weave_share": 0, "levels": (2, 3), "light": 0}


def source(images: list[Path], **settings: object) -> TileSource:
    config = TrainConfig.model_validate({**PASTED, "batch_tiles": 3, **settings})
    return TileSource(images, config, ProceduralTextures())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return picture(tmp_path / "a.png")


def test_a_batch_is_a_function_of_seed_epoch_and_iteration(image: Path) -> None:
    first, again = source([image]).draw(1, 2), source([image]).draw(1, 2)
    for name in ("normal", "las", "mask"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    for other in (source([image]).draw(1, 3), source([image]).draw(2, 2), source([image], seed=1).draw(1, 2)):
        assert not np.array_equal(first.las, other.las)


def test_the_good_tiles_of_a_batch_come_without_making_its_defects(image: Path) -> None:
    tiles = source([image], light=0.1, weave_share=0.5)
    np.testing.assert_array_equal(tiles.drawn_good(1, 2), tiles.draw(1, 2).normal)
    assert not np.array_equal(tiles.drawn_good(1, 3), tiles.drawn_good(1, 2))


def test_shapes_and_types_and_that_only_marked_cells_differ(image: Path) -> None:
    batch = source([image]).draw(0, 0)
    assert (batch.normal.shape, batch.normal.dtype) == ((3, 64, 64), np.uint8)
    assert (batch.las.shape, batch.las.dtype) == ((3, 64, 64), np.float32)
    assert (batch.mask.shape, batch.mask.dtype) == ((3, 8, 8), np.float32)
    changed = (np.abs(batch.las - batch.normal) > 1e-3).reshape(3, 8, 8, 8, 8).any(axis=(2, 4))
    assert not (changed & (batch.mask == 0)).any()
    assert batch.mask.any(axis=(1, 2)).all()


def test_tiles_lie_inside_the_inspected_range_at_many_places(image: Path) -> None:
    tiles = source([image], inspect_x_px=[40, 176])
    left = [int(tile[0, 0]) for iteration in range(30) for tile in tiles.draw(0, iteration).normal]
    assert min(left) >= 40
    assert max(left) <= 176 - 64
    assert len(set(left)) > 30  # not only where the tiling puts them
    assert {40, 176 - 64} <= set(left)  # the edges are trained too


def test_fixed_tiles_are_those_of_the_tiling(image: Path) -> None:
    tiles = source([image])
    assert [int(tiles.fixed(place, 0).normal[0, 0, 0]) for place in range(len(tiles))] == [0, 48, 96, 136]
    np.testing.assert_array_equal(tiles.fixed(1, 0).las, tiles.fixed(1, 0).las)
    assert not np.array_equal(tiles.fixed(1, 0).las, tiles.fixed(1, 1).las)


def test_a_small_picture_is_continued(tmp_path: Path) -> None:
    path = picture(tmp_path / "s.png", 40, 50)
    tile = source([path]).draw(0, 0).normal[0]
    assert tile.shape == (64, 64)
    np.testing.assert_array_equal(tile, continued(read_image(path), 0, 24, 0, 14))


def test_the_border_of_a_tile_is_cloth_beyond_the_picture_and_has_no_label(image: Path) -> None:
    tiles = source([image], border_px=8)
    batch = tiles.fixed(0, 0)
    assert batch.normal.shape == (1, 64, 64) and batch.mask.shape == (1, 6, 6)
    np.testing.assert_array_equal(batch.normal[0, 8:56, 8:56], read_image(image)[:48, :48])
    np.testing.assert_array_equal(batch.normal[0], continued(read_image(image), 8, 8, 8, 8)[:64, :64])


def test_tiles_are_learned_in_other_light_and_watched_as_they_are(image: Path) -> None:
    plain, lit = source([image], inspect_x_px=[40, 176]), source([image], inspect_x_px=[40, 176], light=0.2)
    np.testing.assert_array_equal(plain.draw(0, 0).places, lit.draw(0, 0).places)
    gains = []
    for iteration in range(20):
        a, b = plain.draw(0, iteration), lit.draw(0, iteration)
        gains += [float((y / x).mean()) for x, y in zip(a.normal.astype(float), b.normal.astype(float), strict=True)]
        changed = (np.abs(b.las - b.normal) > 1e-3).reshape(3, 8, 8, 8, 8).any(axis=(2, 4))
        assert not (changed & (b.mask == 0)).any()  # another light is no defect
    assert 0.79 < min(gains) < 0.85 and 1.15 < max(gains) < 1.21
    np.testing.assert_array_equal(lit.fixed(1, 0).normal, plain.fixed(1, 0).normal)


def test_faults_of_weaving_take_their_share(image: Path) -> None:
    pasted, woven, mixed = (source([image], weave_share=share).draw(0, 0).las for share in (0, 1, 0.5))
    assert not np.array_equal(pasted, woven)
    of_pasted, of_woven = ((mixed == las).all(axis=(1, 2)) for las in (pasted, woven))
    assert not (of_pasted & of_woven).any()


def test_mixed_grey_and_colour_become_colour(tmp_path: Path) -> None:
    images = [picture(tmp_path / "grey.png"), picture(tmp_path / "colour.png", colour=True)]
    batch = source(images).draw(0, 0)
    assert batch.normal.shape == batch.las.shape == (3, 64, 64, 3)


def test_pictures_beyond_the_memory_limit_are_read_again(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = source([image]).draw(0, 0)
    monkeypatch.setattr(glass_core.synthesis.samples, "CACHE_BYTES", 0)
    np.testing.assert_array_equal(source([image]).draw(0, 0).las, wanted.las)


def test_a_range_outside_the_picture_is_refused(image: Path) -> None:
    with pytest.raises(InputError, match="inspect_x_px"):
        source([image], inspect_x_px=[0, 400])


@pytest.mark.parametrize(
    ("pictures", "batch", "iterations"),
    [(60, 8, 8), (391, 8, 49), (395, 8, 50), (900, 8, 50), (395, 16, 25), (900, 16, 25), (391, 7, 56), (900, 7, 57)],
)
def test_an_epoch_of_the_authors_ends_beyond_392_pictures(image: Path, pictures: int, batch: int, iterations: int) -> None:
    tiles = source([image] * pictures, input="crop", resize_px=64, batch_tiles=batch, iterations_per_epoch=None)
    assert (len(tiles), tiles.iterations) == (pictures, iterations)
