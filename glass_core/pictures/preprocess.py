"""The paper's picture geometry: short side resized, centre cropped, normalised. Tiled cloth does not use it."""

import numpy as np
from numpy.typing import NDArray

from glass_core.pictures.resample import Level, resize

_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)  # of ImageNet, RGB in [0, 1]
_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def resize_short_side(image: NDArray[Level], size_px: int) -> NDArray[Level]:
    """An image (H, W[, 3]) with its short side at size_px, aspect kept."""
    height, width = image.shape[:2]
    short = min(height, width)
    return resize(image, int(size_px * height / short), int(size_px * width / short))


def centre_crop(image: NDArray[Level], size_px: int) -> NDArray[Level]:
    """The middle size_px x size_px of an image at least that large."""
    top, left = (round((side - size_px) / 2) for side in image.shape[:2])
    return image[top : top + size_px, left : left + size_px]


def resized_crop(image: NDArray[Level], resize_px: int, crop_px: int) -> NDArray[Level]:
    """The middle crop_px x crop_px of an image (H, W[, 3]) whose short side was brought to resize_px."""
    return centre_crop(resize_short_side(image, resize_px), crop_px)


def preprocess(image: NDArray[np.uint8], resize_px: int = 288, crop_px: int = 288) -> NDArray[np.float32]:
    """An image (H, W) or (H, W, 3) RGB as the network's input (3, crop, crop), normalised."""
    rgb = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    cropped = resized_crop(rgb, resize_px, crop_px)  # (crop, crop, 3)
    normalised = (cropped.astype(np.float32) / 255 - _MEAN) / _STD
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))  # (3, crop, crop)


def preprocess_mask(mask: NDArray[np.uint8], resize_px: int = 288, crop_px: int = 288) -> NDArray[np.float32]:
    """A ground-truth mask (H, W) in the same geometry, (crop, crop) in [0, 1]: soft at its edges, not thresholded."""
    return resized_crop(mask, resize_px, crop_px).astype(np.float32) / np.float32(255)  # (crop, crop)
