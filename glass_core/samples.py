"""Training tiles and their synthetic defects, each a function of (seed, epoch, index) alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.config import TrainConfig
from glass_core.data import read_image
from glass_core.las import Synthesiser
from glass_core.texture import TextureSource
from glass_core.tiling import Layout, Tiling
from glass_core.yarns import Yarns, find_yarns

CACHE_BYTES = 2 << 30
SPECTRUM_TILES = 16


@dataclass(frozen=True)
class Batch:
    """Good tiles (B, t, t) or (B, t, t, 3), their defective copies, and the changed ones of the scored cells (B, s, s)."""

    normal: NDArray[np.uint8]
    las: NDArray[np.float32]
    mask: NDArray[np.float32]


class TileSource:
    """Good tiles of the inspected range of pictures, at their tiling's places or shifted at random.

    Pictures stay in memory up to `CACHE_BYTES` and are read again beyond. Where grey and colour pictures are mixed, all
    become colour.
    """

    def __init__(self, images: Sequence[Path], config: TrainConfig, textures: TextureSource) -> None:
        self._config = config
        self._pictures: dict[Path, NDArray[np.uint8]] = {}
        self._layouts: dict[Path, Layout] = {}
        self._room = CACHE_BYTES
        self._colour = False
        self._places: list[tuple[Path, int, int]] = []
        for path in images:
            picture = self._picture(path)
            self._colour |= picture.ndim == 3
            self._places += [(path, y, x) for y, x in self._layouts[path].tiles]
        yarns = self._find_yarns() if config.weave_share and self._places else None
        self._synthesise = Synthesiser(textures, config.tile_px, config.beta_mean, config.beta_std, yarns, config.weave_share)

    def __len__(self) -> int:
        """How many tiles the tiling of the pictures has."""
        return len(self._places)

    def draw(self, epoch: int, iteration: int) -> Batch:
        """The training batch of an iteration: places in an order of the epoch's own, each shifted by up to half a tile."""
        seed, count = self._config.seed, self._config.batch_tiles
        order = np.random.default_rng((seed, epoch)).permutation(len(self))
        chosen = range(iteration * count, (iteration + 1) * count)
        half = self._config.tile_px // 2
        samples = []
        for index in chosen:
            rng = np.random.default_rng((seed, epoch, index))
            samples.append(self._sample(int(order[index % len(self)]), rng.integers(-half, half + 1, size=2), rng))
        return _collate(samples)

    @property
    def tiling(self) -> Tiling:
        return self._config.tiling

    def fixed(self, place: int, number: int) -> Batch:
        """A batch of one: the tile at a place of the tiling, with the same defect for the same number."""
        rng = np.random.default_rng((self._config.seed, place, number))
        return _collate([self._sample(place, np.zeros(2, dtype=np.int64), rng)])

    def _find_yarns(self) -> tuple[Yarns, Yarns]:
        """Warp and weft, from tiles of all over the pictures."""
        chosen = (self._places[int(n)] for n in np.unique(np.linspace(0, len(self) - 1, SPECTRUM_TILES).astype(int)))
        return find_yarns([_window(self._picture(path), y, x, self._config.tile_px) for path, y, x in chosen])

    def _sample(
        self, place: int, shift: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
        path, y, x = self._places[place]
        tile = _window(self._picture(path), y + int(shift[0]), x + int(shift[1]), self._config.tile_px)
        if self._colour and tile.ndim == 2:
            tile = np.repeat(tile[:, :, None], 3, axis=2)
        las, cells = self._synthesise(tile, rng)
        return tile, las, self._config.tiling.scored(cells)

    def _picture(self, path: Path) -> NDArray[np.uint8]:
        """The inspected columns of a picture and the cloth continued round them, as tiles see it.

        Raises InputError when it is unreadable or the range is not inside it.
        """
        if path in self._pictures:
            return self._pictures[path]
        image = read_image(path)
        layout = self._config.tiling.layout(image.shape[0], image.shape[1], self._config.inspect_x_px)
        self._layouts[path] = layout
        picture = np.ascontiguousarray(layout.extended(image))
        if picture.nbytes <= self._room:
            self._room -= picture.nbytes
            self._pictures[path] = picture
        return picture


def _window(picture: NDArray[np.uint8], y: int, x: int, size: int) -> NDArray[np.uint8]:
    """The window at (y, x), moved inside the picture."""
    y, x = (min(max(start, 0), side - size) for start, side in zip((y, x), picture.shape[:2], strict=True))
    return picture[y : y + size, x : x + size]


def _collate(samples: list[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]) -> Batch:
    normal, las, mask = (np.stack(part) for part in zip(*samples, strict=True))
    return Batch(normal, las, mask)
