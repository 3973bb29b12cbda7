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

CACHE_BYTES = 2 << 30


@dataclass(frozen=True)
class Batch:
    """Good tiles (B, t, t) or (B, t, t, 3), their defective copies, and the changed cells (B, t/8, t/8)."""

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
        self._synthesise = Synthesiser(textures, config.tile_px, config.beta_mean, config.beta_std)
        self._pictures: dict[Path, NDArray[np.uint8]] = {}
        self._room = CACHE_BYTES
        self._colour = False
        self._places: list[tuple[Path, int, int]] = []
        for path in images:
            picture = self._picture(path)
            self._colour |= picture.ndim == 3
            layout = config.tiling.layout(picture.shape[0], picture.shape[1])
            self._places += [(path, y, x) for y, x in layout.tiles]

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

    def fixed(self, place: int) -> Batch:
        """A batch of one: the tile at a place of the tiling, with a defect that is always the same."""
        rng = np.random.default_rng((self._config.seed, place))
        return _collate([self._sample(place, np.zeros(2, dtype=np.int64), rng)])

    def _sample(
        self, place: int, shift: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
        path, y, x = self._places[place]
        tile = _window(self._picture(path), y + int(shift[0]), x + int(shift[1]), self._config.tile_px)
        if self._colour and tile.ndim == 2:
            tile = np.repeat(tile[:, :, None], 3, axis=2)
        return tile, *self._synthesise(tile, rng)

    def _picture(self, path: Path) -> NDArray[np.uint8]:
        """The inspected columns of a picture. Raises InputError when it is unreadable or the range is not inside it."""
        if path in self._pictures:
            return self._pictures[path]
        image = read_image(path)
        layout = self._config.tiling.layout(image.shape[0], image.shape[1], self._config.inspect_x_px)
        picture = np.ascontiguousarray(image[:, layout.x0_px : layout.x1_px])
        if picture.nbytes <= self._room:
            self._room -= picture.nbytes
            self._pictures[path] = picture
        return picture


def _window(picture: NDArray[np.uint8], y: int, x: int, size: int) -> NDArray[np.uint8]:
    """The window at (y, x), moved inside the picture; a picture smaller than it is extended by reflection."""
    y, x = (min(max(start, 0), max(side - size, 0)) for start, side in zip((y, x), picture.shape[:2], strict=True))
    window = picture[y : y + size, x : x + size]
    short = [(0, size - side) for side in window.shape[:2]]
    return np.pad(window, short + [(0, 0)] * (picture.ndim - 2), mode="reflect")


def _collate(samples: list[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]]) -> Batch:
    normal, las, mask = (np.stack(part) for part in zip(*samples, strict=True))
    return Batch(normal, las, mask)
