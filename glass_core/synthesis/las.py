"""Local anomaly synthesis: a picture with a random texture blended into a random mask.

See docs/explanation/glass.md#local-synthesis.
"""

import numpy as np
from numpy.typing import NDArray

from glass_core.pictures.preprocess import centre_crop
from glass_core.synthesis.perlin import draw_mask, max_pool_cells
from glass_core.synthesis.texture import TextureSource
from glass_core.synthesis.texture_ops import luminance, random_ops
from glass_core.synthesis.weave_faults import weave_faults
from glass_core.synthesis.yarns import Yarns

_BETA_RANGE = (0.2, 0.8)
MAX_FAULTS = 4


class Synthesiser:
    """Makes synthetic defects in square tiles of size_px (a multiple of 32).

    A share of the tiles gets faults of weaving (see weave_faults) along `yarns`, the others a texture blended into a
    Perlin mask, as in GLASS; see draw_beta for its strength. `texture_px` is the short side of textures before their crop
    (the tile's size unless said).
    """

    def __init__(
        self,
        textures: TextureSource,
        size_px: int,
        beta_mean: float = 0.5,
        beta_std: float = 0.1,
        yarns: tuple[Yarns, Yarns] | None = None,
        weave_share: float = 0.0,
        texture_px: int | None = None,
        cell_px: int = 8,
    ) -> None:
        self._textures = textures
        self._size_px, self._cell_px = size_px, cell_px
        self._beta_mean, self._beta_std = beta_mean, beta_std
        self._yarns, self._weave_share = yarns, weave_share
        self._texture_px = texture_px or size_px

    def __call__(
        self, tile: NDArray[np.uint8], rng: np.random.Generator, foreground: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A defective copy of a tile (size, size[, 3]) and its cell labels (size / cell_px, same), 1 where defective.

        A grey tile gets a grey texture, since colour would give the defect away. `foreground` (size, size) limits where
        a pasted defect may lie. All randomness comes from `rng`.
        """
        if self._yarns is not None and rng.random() < self._weave_share:
            faulty, changed = weave_faults(tile, self._yarns, rng, int(rng.integers(1, MAX_FAULTS + 1)))
            return faulty, max_pool_cells(changed, self._cell_px).astype(np.float32)
        mask, cells = draw_mask(self._size_px, rng, foreground, self._cell_px)
        texture = centre_crop(random_ops(self._textures.draw(self._texture_px, rng), rng), self._size_px)
        if tile.ndim == 2:
            texture = luminance(texture)
        beta = draw_beta(rng, self._beta_mean, self._beta_std)
        return fuse(tile, texture, mask, beta), cells.astype(np.float32)


def draw_beta(rng: np.random.Generator, mean: float, std: float) -> float:
    """The share of the original picture in a defect: normal, clipped to [0.2, 0.8]; larger is a weaker defect."""
    return float(np.clip(rng.normal(mean, std), *_BETA_RANGE))


def fuse(image: NDArray[np.uint8], texture: NDArray[np.uint8], mask: NDArray[np.bool_], beta: float) -> NDArray[np.float32]:
    """image (1 - m) + (1 - beta) texture m + beta image m, in grey levels (GLASS equation 4)."""
    original = np.float32(image)
    weight = np.float32(1 - beta) * (mask if image.ndim == 2 else mask[:, :, None])
    return original + weight * (np.float32(texture) - original)  # (size, size[, 3])
