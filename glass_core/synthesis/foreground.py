"""Where the object of a picture is: pasted defects belong on it, not on its background.

See docs/explanation/glass.md#foreground.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.pictures.datasets import images_in
from glass_core.pictures.pairing import pair
from glass_core.pictures.reading import read_image

FRAME_SHARE = 0.02
"""Width of the frame along the picture's edges that shows the background, as a share of the short side."""
MAX_OF_FRAME = 0.2
"""When more of the frame than this looks like the object, no background is seen, and all is foreground."""
MIN_OBJECT, MAX_OBJECT = 0.02, 0.98
MIN_DIFFERENCE = 12.0
"""CIELAB units between object and background, below which they are noise of one surface."""


def foreground_of(source: Literal["none", "generated", "fg_mask"] | Path, image: Path) -> NDArray[np.uint8] | None:
    """The foreground (H, W) of a good picture, any value but 0; None where all of it is.

    "fg_mask": the official layout, <data>/fg_mask/<class>/<stem>.* for a picture somewhere in <data>/<class>, paired as
    pairing.pair does. Raises InputError when a mask that should be there is not, is of another size, or marks nothing.
    """
    if source == "none":
        return None
    picture = read_image(image)
    if source == "generated":
        return generate(picture)
    folder = _official_folder(image) if source == "fg_mask" else Path(source)
    found: Path | None = folder / image.name
    if not (folder / image.name).is_file():  # else there is no need to look at all of them
        stamps = tuple(place.stat().st_mtime_ns if place.is_dir() else 0 for place in (image.parent, folder))
        found = _paired(image.parent, folder, stamps).get(image)
    if found is None:
        advice = "put it there or set foreground: generated"
        raise InputError(f"no foreground mask of {image.name}, {folder}, {advice}")
    mask = read_image(found)
    values = mask if mask.ndim == 2 else mask[:, :, 0]
    if values.shape != picture.shape[:2]:
        sizes = f"{values.shape[1]} x {values.shape[0]} px, its picture {picture.shape[1]} x {picture.shape[0]}"
        raise InputError(f"a foreground mask of another size ({sizes}), {found}, give the mask of {image.name}")
    if not values.any():
        raise InputError(f"nothing is marked in a foreground mask, {found}, mark the object or set foreground: generated")
    return values


@lru_cache(maxsize=4)
def _paired(pictures: Path, masks: Path, stamps: tuple[int, ...]) -> Mapping[Path, Path]:
    """Every picture's mask, of folders as they were at these times: a class has hundreds, and each is asked for by itself."""
    return pair(images_in(pictures), images_in(masks) if masks.is_dir() else ()).masks


def generate(picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The object (H, W) in 0 and 255 of a good picture (H, W) or (H, W, 3): what differs in colour from the picture's frame.

    The threshold is Otsu's. None when the frame itself shows the object or nothing stands out: a texture, which is
    foreground everywhere. (The authors' masks were made by hand-set binarisation, which they did not release.)
    """
    rgb = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
    lab = np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))  # (H, W, 3)
    width = max(1, round(FRAME_SHARE * min(picture.shape[:2])))
    frame = np.ones(picture.shape[:2], bool)
    frame[width:-width, width:-width] = False
    difference = np.linalg.norm(cv2.GaussianBlur(lab, (0, 0), 2) - np.median(lab[frame], axis=0), axis=2)  # (H, W)
    levels = np.clip(difference * 2, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    differs = levels > threshold
    if not differs.any() or difference[differs].mean() - difference[~differs].mean() < MIN_DIFFERENCE:
        return None
    if differs[frame].mean() > MAX_OF_FRAME:
        return None
    contours, _ = cv2.findContours(differs.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(picture.shape[:2], np.uint8)
    cv2.drawContours(filled, contours, -1, 255, cv2.FILLED)  # holes belong to the object
    share = float((filled > 0).mean())
    return filled if MIN_OBJECT < share < MAX_OBJECT else None


def _official_folder(image: Path) -> Path:
    """<data>/fg_mask/<class>, looked for from the picture upwards; parts of the path are compared, never its text."""
    for folder in image.resolve().parents:
        masks = folder.parent / "fg_mask" / folder.name
        if masks.is_dir():
            return masks
    raise InputError(f"no folder fg_mask/<class> beside the data, {image}, put it there or set foreground: generated")
