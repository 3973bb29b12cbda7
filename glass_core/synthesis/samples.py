"""Training tiles, or crops of whole pictures, and their synthetic defects, each a function of (seed, epoch, index) alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.config import TrainConfig
from glass_core.pictures.preprocess import resized_crop
from glass_core.pictures.reading import read_image
from glass_core.pictures.tiling import Tiling
from glass_core.synthesis.foreground import foreground_of
from glass_core.synthesis.las import Synthesiser
from glass_core.synthesis.texture import TextureSource
from glass_core.synthesis.yarns import Yarns, find_yarns

CACHE_BYTES = 2 << 30
SPECTRUM_TILES = 16
OFFICIAL_PICTURES = 392
"""The official code ends an epoch with the batch that goes beyond so many pictures.

See docs/explanation/glass.md#the-course-of-a-training.
"""


@dataclass(frozen=True)
class Batch:
    """Good tiles (B, t, t) or (B, t, t, 3), their defective copies, and the changed ones of the scored cells (B, s, s).

    `places` (B,) are those of the tiling from which the tiles were shifted.
    """

    places: NDArray[np.intp]
    normal: NDArray[np.uint8]
    las: NDArray[np.float32]
    mask: NDArray[np.float32]


Sample = tuple[int, NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


class TileSource:
    """Good tiles of the inspected range of pictures, at their tiling's places or shifted at random; or, with `input: crop`,
    one square from the middle of each resized picture, in colour and not shifted.

    Pictures and their foregrounds stay in memory up to `room` bytes, of which an attribute says what is left, and are read
    again beyond. Where grey and colour pictures are mixed, all become colour.
    """

    def __init__(self, images: Sequence[Path], config: TrainConfig, textures: TextureSource, room: int | None = None) -> None:
        self._config = config
        self._pictures: dict[Path, NDArray[np.uint8]] = {}
        self._foregrounds: dict[Path, NDArray[np.bool_]] = {}
        self._origins: dict[Path, list[tuple[int, int]]] = {}
        self.room = CACHE_BYTES if room is None else room
        self._colour = config.input == "crop"  # a texture on a grey picture is coloured there, as in the official code
        self._places: list[tuple[Path, int, int]] = []
        for path in images:
            picture = self._picture(path)
            self._colour |= picture.ndim == 3
            self._places += [(path, y, x) for y, x in self._origins[path]]
            self._foreground(path)  # a mask that is missing is better known now
        yarns = self._find_yarns() if config.weave_share and self._places else None
        texture_px = config.resize_px if config.input == "crop" else config.tile_px
        betas = (config.beta_mean, config.beta_std)
        cell_px = config.tiling.cell_px
        self._synthesise = Synthesiser(textures, config.tile_px, *betas, yarns, config.weave_share, texture_px, cell_px)

    def __len__(self) -> int:
        """How many tiles the tiling of the pictures has."""
        return len(self._places)

    @property
    def iterations(self) -> int:
        """How many batches an epoch has."""
        once = -(-len(self) // self._config.batch_tiles)
        return self._config.iterations_per_epoch or min(once, OFFICIAL_PICTURES // self._config.batch_tiles + 1)

    def draw(self, epoch: int, iteration: int) -> Batch:
        """The training batch of an iteration: places in an order of the epoch's own, each shifted by up to half a tile."""
        return _collate([self._sample(place, tile, rng) for place, tile, rng in self._drawn(epoch, iteration)])

    def drawn_good(self, epoch: int, iteration: int) -> NDArray[np.uint8]:
        """The good tiles (B, t, t[, 3]) of such a batch, without making its defects."""
        return np.stack([tile for _, tile, _ in self._drawn(epoch, iteration)])

    def _drawn(self, epoch: int, iteration: int) -> Iterator[tuple[int, NDArray[np.uint8], np.random.Generator]]:
        """Place, good tile, and the generator that goes on to its defect."""
        seed, count = self._config.seed, self._config.batch_tiles
        order = np.random.default_rng((seed, epoch)).permutation(len(self))
        chosen = range(iteration * count, (iteration + 1) * count)
        if self._config.iterations_per_epoch is None:  # the last batch is what is left of the pictures
            chosen = chosen[: max(1, len(self) - chosen.start)]
        half = self._config.tile_px // 2 if self._config.input == "tiles" else 0
        for index in chosen:
            rng = np.random.default_rng((seed, epoch, index))
            place, shift = int(order[index % len(self)]), rng.integers(-half, half + 1, size=2)
            yield place, _lit(self._tile(place, shift), self._config.light, rng), rng

    def good(self, count: int) -> Iterator[tuple[range, NDArray[np.uint8]]]:
        """Every place of the tiling in order, `count` at a time, and the good tiles there (n, t, t[, 3]), not shifted."""
        for start in range(0, len(self), count):
            places = range(start, min(start + count, len(self)))
            yield places, np.stack([self._tile(place, np.zeros(2, dtype=np.int64)) for place in places])

    @property
    def tiling(self) -> Tiling:
        return self._config.tiling

    def fixed(self, place: int, number: int) -> Batch:
        """A batch of one: the tile at a place of the tiling, with the same defect for the same number."""
        rng = np.random.default_rng((self._config.seed, place, number))
        return _collate([self._sample(place, self._tile(place, np.zeros(2, dtype=np.int64)), rng)])

    def _find_yarns(self) -> tuple[Yarns, Yarns]:
        """Warp and weft, from tiles of all over the pictures."""
        chosen = (self._places[int(n)] for n in np.unique(np.linspace(0, len(self) - 1, SPECTRUM_TILES).astype(int)))
        return find_yarns([_window(self._picture(path), y, x, self._config.tile_px) for path, y, x in chosen])

    def _sample(self, place: int, tile: NDArray[np.uint8], rng: np.random.Generator) -> Sample:
        las, cells = self._synthesise(tile, rng, self._foreground(self._places[place][0]))
        return place, tile, las, self._config.tiling.scored(cells)

    def _tile(self, place: int, shift: NDArray[np.int64]) -> NDArray[np.uint8]:
        path, y, x = self._places[place]
        tile = _window(self._picture(path), y + int(shift[0]), x + int(shift[1]), self._config.tile_px)
        return np.repeat(tile[:, :, None], 3, axis=2) if self._colour and tile.ndim == 2 else tile

    def _foreground(self, path: Path) -> NDArray[np.bool_] | None:
        """Where defects may be pasted into a crop (t, t); any trace of the mask counts, as in the official code."""
        if self._config.foreground == "none":
            return None
        if path in self._foregrounds:
            return self._foregrounds[path]
        mask = foreground_of(self._config.foreground, path)
        foreground = None if mask is None else self._crop(mask) > 0
        if foreground is None or not foreground.any():  # nothing in the crop: nowhere is no place to paste
            foreground = np.ones((self._config.tile_px,) * 2, bool)
        if foreground.nbytes <= self.room:
            self.room -= foreground.nbytes
            self._foregrounds[path] = foreground
        return foreground

    def _crop(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return resized_crop(image, self._config.resize_px, self._config.tile_px)

    def _picture(self, path: Path) -> NDArray[np.uint8]:
        """The inspected columns of a picture and the cloth continued round them, as tiles see it; or its crop.

        Raises InputError when it is unreadable or the range is not inside it.
        """
        if path in self._pictures:
            return self._pictures[path]
        image = read_image(path)
        if self._config.input == "crop":
            self._origins[path], picture = [(0, 0)], np.ascontiguousarray(self._crop(image))
        else:
            layout = self._config.tiling.layout(image.shape[0], image.shape[1], self._config.inspect_x_px)
            self._origins[path], picture = layout.tiles, np.ascontiguousarray(layout.extended(image))
        if picture.nbytes <= self.room:
            self.room -= picture.nbytes
            self._pictures[path] = picture
        return picture


def _window(picture: NDArray[np.uint8], y: int, x: int, size: int) -> NDArray[np.uint8]:
    """The window at (y, x), moved inside the picture."""
    y, x = (min(max(start, 0), side - size) for start, side in zip((y, x), picture.shape[:2], strict=True))
    return picture[y : y + size, x : x + size]


def _lit(tile: NDArray[np.uint8], light: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The tile up to a share of `light` brighter or darker."""
    return np.rint(tile * rng.uniform(1 - light, 1 + light)).clip(0, 255).astype(np.uint8) if light else tile


def _collate(samples: list[Sample]) -> Batch:
    places, normal, las, mask = zip(*samples, strict=True)
    return Batch(np.array(places), np.stack(normal), np.stack(las), np.stack(mask))
