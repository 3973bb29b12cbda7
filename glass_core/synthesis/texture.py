"""Where the textures of synthetic defects come from: a folder of photographs (DTD), or textures drawn on the spot."""

import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.pictures.datasets import images_in
from glass_core.pictures.preprocess import resize_short_side
from glass_core.pictures.reading import read_image

Field = NDArray[np.float32]  # (size, size), about [0, 1]


class TextureSource(Protocol):
    @property
    def name(self) -> str:
        """What the training record says about where textures came from."""
        ...

    def draw(self, size_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A random RGB texture whose short side is size_px, (H, W, 3)."""
        ...


class FolderTextures:
    """Photographs in the layout of the Describable Textures Dataset, `<folder>/<class>/<picture>`; InputError if none."""

    def __init__(self, folder: Path) -> None:
        self._files = sorted(file for each in folder.glob("*") if each.is_dir() for file in images_in(each))
        if not self._files:
            raise InputError(f"no textures, {folder}, give a folder that holds <class>/<picture>, as DTD does")
        self.name = f"{folder.name}: {len(self._files)} photographs"

    def draw(self, size_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        image = read_image(self._files[rng.integers(len(self._files))])
        rgb = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
        return resize_short_side(rgb, size_px)  # (H, W, 3)


class ProceduralTextures:
    """Textures drawn from formulas in two random colours, for those who have no photographs."""

    name = "procedural"

    def draw(self, size_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        field = _FIELDS[rng.integers(len(_FIELDS))](size_px, rng)
        first, second = rng.uniform(0, 255, (2, 3)).astype(np.float32)
        coloured = first + np.clip(field, 0, 1)[:, :, None] * (second - first)
        return coloured.astype(np.uint8)  # (size, size, 3)


def find_textures(folder: Path | None) -> TextureSource:
    """The textures of a folder, else of $GLASSLINE_TEXTURES, else procedural ones."""
    named = folder or os.environ.get("GLASSLINE_TEXTURES")
    return FolderTextures(Path(named)) if named else ProceduralTextures()


def _value_noise(size_px: int, rng: np.random.Generator) -> Field:
    """Smooth random grey, several octaves of one random roughness."""
    roughness, cells = rng.uniform(0.3, 0.9), int(rng.integers(2, 9))
    field = np.zeros((size_px, size_px), dtype=np.float32)
    weight = 1.0
    while cells < size_px:
        grid = rng.random((cells, cells), dtype=np.float32) - 0.5
        field += np.float32(weight) * cv2.resize(grid, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
        cells, weight = cells * 2, weight * roughness
    return np.asarray(field + 0.5, dtype=np.float32)


def _stripes(size_px: int, rng: np.random.Generator) -> Field:
    """Parallel stripes at a random angle, from soft waves to hard edges."""
    hardness = rng.uniform(0.5, 8)
    return np.asarray(np.clip(0.5 + hardness * _wave(size_px, rng.uniform(0, np.pi), rng), 0, 1))


def _checks(size_px: int, rng: np.random.Generator) -> Field:
    """Two crossed sets of stripes, as a chequered or woven ground."""
    angle = rng.uniform(0, np.pi)
    crossed = _wave(size_px, angle, rng) * _wave(size_px, angle + np.pi / 2, rng)
    return np.asarray(np.clip(0.5 + rng.uniform(2, 20) * crossed, 0, 1))


def _blobs(size_px: int, rng: np.random.Generator) -> Field:
    """Soft-edged patches of two colours."""
    noise = rng.standard_normal((size_px, size_px), dtype=np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(1.5, 10)), dtype=np.float32)
    contrast, level = (np.float32(value) for value in (rng.uniform(0.5, 5), rng.uniform(-1, 1)))
    return np.asarray(np.clip(0.5 + contrast * (smooth / smooth.std() - level), 0, 1))


def _cells(size_px: int, rng: np.random.Generator) -> Field:
    """Distance to the nearest of many random points: a crackled, cellular ground."""
    points = np.ones((size_px, size_px), dtype=np.uint8)
    y, x = rng.integers(0, size_px, (2, int(rng.integers(10, 400))))
    points[y, x] = 0
    distance = cv2.distanceTransform(points, cv2.DIST_L2, 5)
    return np.asarray(distance / distance.max(), dtype=np.float32)


def _scratches(size_px: int, rng: np.random.Generator) -> Field:
    """Thin straight lines over a nearly even ground."""
    field = np.float32(0.2) * _value_noise(size_px, rng)
    for _ in range(int(rng.integers(5, 60))):
        (x0, y0), (x1, y1) = rng.integers(0, size_px, (2, 2)).tolist()
        cv2.line(field, (x0, y0), (x1, y1), rng.uniform(0.5, 1), int(rng.integers(1, 4)), cv2.LINE_AA)
    return field


def _wave(size_px: int, angle: float, rng: np.random.Generator) -> Field:
    """A plane sine wave of random period and phase, -0.5 to 0.5."""
    axis = np.arange(size_px, dtype=np.float32) * np.float32(2 * np.pi / rng.uniform(3, 60))
    phase = axis[None, :] * np.float32(np.cos(angle)) + axis[:, None] * np.float32(np.sin(angle))
    return np.sin(phase + np.float32(rng.uniform(0, 2 * np.pi))) * np.float32(0.5)  # (size, size)


_FIELDS = (_value_noise, _stripes, _checks, _blobs, _cells, _scratches)
