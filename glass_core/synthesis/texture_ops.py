"""The nine texture operations of GLASS on uint8 RGB images, rounding and truncating as PIL does.

See docs/explanation/glass.md#textures.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB
_LEVELS = np.arange(256, dtype=np.float32)


def contrast(image: Image, factor: float) -> Image:
    """Blends with the image's mean grey level."""
    mean = int(luminance(image).mean() + 0.5)
    return _look_up(image, _blend(mean, _LEVELS, factor))


def brightness(image: Image, factor: float) -> Image:
    """Blends with black."""
    return _look_up(image, _blend(0, _LEVELS, factor))


def saturation(image: Image, factor: float) -> Image:
    """Blends with the image's own grey."""
    return _blend(luminance(image)[:, :, None].astype(np.float32), image.astype(np.float32), factor)


def hue(image: Image, shift: float) -> Image:
    """Turns the hue by `shift` of a full turn, in PIL's 8-bit HSV."""
    hue8, saturation8, value = _rgb_to_hsv(image)
    return _hsv_to_rgb((hue8 + int(shift * 255)) % 256, saturation8, value)


def horizontal_flip(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def vertical_flip(image: Image) -> Image:
    return np.ascontiguousarray(image[::-1])


def grayscale(image: Image) -> Image:
    return np.repeat(luminance(image)[:, :, None], 3, axis=2)


def autocontrast(image: Image) -> Image:
    """Stretches each channel to 0..255."""
    tables = []
    for channel in range(3):
        low, high = int(image[:, :, channel].min()), int(image[:, :, channel].max())
        scale = 255 / (high - low) if high > low else 1.0
        offset = -low * scale if high > low else 0.0
        tables.append(np.clip(np.arange(256) * scale + offset, 0, 255).astype(np.uint8))
    return _look_up(image, np.stack(tables, axis=1))


def equalize(image: Image) -> Image:
    """Flattens each channel's histogram by PIL's look-up table (not OpenCV's)."""
    return _look_up(image, np.stack([_equalize_table(image[:, :, channel]) for channel in range(3)], axis=1))


def rotate(image: Image, degrees: float) -> Image:
    """Turns clockwise about the centre, same size, nearest pixel, black outside."""
    height, width = image.shape[:2]
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2
    source = np.empty((height, width, 2), dtype=np.int16)
    source[:, :, 0] = np.floor(cos * x[None, :] + sin * y[:, None] + width / 2)
    source[:, :, 1] = np.floor(-sin * x[None, :] + cos * y[:, None] + height / 2)
    turned = cv2.remap(image, source, np.empty(0), cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(turned, dtype=np.uint8)


def luminance(image: Image) -> NDArray[np.uint8]:
    """PIL's grey of an RGB image, (H, W)."""
    red, green, blue = (image[:, :, channel].astype(np.uint32) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)


def random_ops(image: Image, rng: np.random.Generator) -> Image:
    """Three of the nine operations, drawn without replacement, in the order drawn, each with random parameters."""
    for index in rng.choice(len(_RANDOM_OPS), 3, replace=False):
        image = _RANDOM_OPS[index](image, rng)
    return image


def _saturation_and_hue(image: Image, rng: np.random.Generator) -> Image:
    """Both, in an order that is drawn, as torchvision's ColorJitter does."""
    factor, shift = rng.uniform(0.8, 1.2), rng.uniform(-0.2, 0.2)
    if rng.random() < 0.5:
        return hue(saturation(image, factor), shift)
    return saturation(hue(image, shift), factor)


_RANDOM_OPS: tuple[Callable[[Image, np.random.Generator], Image], ...] = (
    lambda image, rng: contrast(image, rng.uniform(0.8, 1.2)),
    lambda image, rng: brightness(image, rng.uniform(0.8, 1.2)),
    lambda image, rng: _saturation_and_hue(image, rng),
    lambda image, rng: horizontal_flip(image),
    lambda image, rng: vertical_flip(image),
    lambda image, rng: grayscale(image),
    lambda image, rng: autocontrast(image),
    lambda image, rng: equalize(image),
    lambda image, rng: rotate(image, rng.uniform(-45, 45)),
)


def _blend(low: NDArray[np.float32] | int, high: NDArray[np.float32], factor: float) -> NDArray[np.uint8]:
    """low + factor * (high - low), clipped and truncated."""
    return np.clip(low + np.float32(factor) * (high - low), 0, 255).astype(np.uint8)


def _look_up(image: Image, table: NDArray[np.uint8]) -> Image:
    """Maps levels through a table (256,) for all channels or (256, 3) for each."""
    return np.asarray(cv2.LUT(image, table.reshape(1, 256, -1)), dtype=np.uint8)


def _equalize_table(channel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    counts = np.bincount(channel.ravel(), minlength=256)
    step = int(channel.size - counts[channel.max()]) // 255
    if step == 0:
        return _LEVELS.astype(np.uint8)
    below = np.cumsum(counts) - counts
    return np.minimum((step // 2 + below) // step, 255).astype(np.uint8)


def _rgb_to_hsv(image: Image) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """8-bit hue and saturation truncated as PIL does, and value; (H, W) each."""
    red, green, blue = (image[:, :, channel].astype(np.float32) for channel in range(3))
    value = np.maximum(np.maximum(red, green), blue)
    span = value - np.minimum(np.minimum(red, green), blue)
    safe = np.maximum(span, 1)
    sector = np.where(
        red == value,
        (green - blue) / safe,
        np.where(green == value, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    turn = np.where(span > 0, (sector / 6) % 1, 0)
    return (turn * 255).astype(np.int32), np.trunc(span / np.maximum(value, 1) * 255), value


def _hsv_to_rgb(hue8: NDArray[np.int32], saturation8: NDArray[np.float32], value: NDArray[np.float32]) -> Image:
    sextant = hue8.astype(np.float32) * np.float32(6 / 255)
    # Red, green and blue are the same trapezoid of the hue, a third of a turn apart.
    k = (np.array([5, 3, 1], dtype=np.float32) + sextant[:, :, None]) % 6  # (H, W, 3)
    trapezoid = np.clip(np.minimum(k, 4 - k), 0, 1)
    shade = (saturation8 / 255)[:, :, None] * trapezoid
    return np.rint(value[:, :, None] * (1 - shade)).astype(np.uint8)
