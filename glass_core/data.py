"""Finds and reads pictures: a folder, the MVTec layout, or a recording of the line."""

import struct
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
_MAX_PIXELS = 1 << 28
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class TestImage:
    """One picture of a data set's test part: its defect's name ("good" for none), and its mask where there is one."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    path: Path
    label: str
    mask: Path | None


def list_images(path: Path) -> list[Path]:
    """The good pictures of a recording, a data set in MVTec layout (train/good), or a plain folder; sorted.

    Raises InputError when the folder is missing or holds no pictures.
    """
    if not path.is_dir():
        raise InputError(f"no such folder, {path}, give a folder of pictures, a data set or a recording")
    if (path / "recording.json").is_file():
        images = sorted(file for file in path.glob("*/*.png") if not file.name.startswith("."))
    else:
        good = path / "train" / "good"
        images = _images_in(good if good.is_dir() else path)
    if not images:
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"no pictures, {path}, put pictures ({known}) straight into this folder or into train/good")
    return images


def list_test_images(path: Path) -> list[TestImage]:
    """The test part of a data set in MVTec layout, test/<label>, with ground_truth/<label> paired by stem; sorted.

    Raises InputError when there is none.
    """
    folders = sorted(folder for folder in (path / "test").glob("*") if folder.is_dir())
    found = [TestImage(image, folder.name, _mask_of(path, image)) for folder in folders for image in _images_in(folder)]
    if not found:
        raise InputError(f"no test pictures, {path / 'test'}, give a data set with test/good and test/<defect>")
    return found


def read_image(path: Path) -> NDArray[np.uint8]:
    """One 8-bit picture as (H, W) grey or (H, W, 3) RGB.

    Raises InputError when the file is missing, damaged, too large or not 8 bit.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"unreadable picture ({error.strerror}), {path}, check the file and its permissions") from None
    return decode_image(content, path)


def decode_image(content: bytes, path: Path) -> NDArray[np.uint8]:
    """A picture from a file's bytes; `path` is for the error's text. See read_image."""
    _check_png(content, path)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"damaged picture or unknown format, {path}, remove or replace the file")
    if image.dtype != np.uint8:
        bits = image.dtype.itemsize * 8
        raise InputError(f"picture of {bits} bits a sample, {path}, convert it to 8 bits as the camera delivers them")
    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(image, dtype=np.uint8).reshape(image.shape[:2])
    code = cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)


def _check_png(content: bytes, path: Path) -> None:
    """Refuses a PNG cut short, on which libpng would print words of its own, and a header that promises gigabytes."""
    if not content.startswith(_PNG):
        return
    if b"IEND" not in content[-64:]:
        raise InputError(f"picture cut short, {path}, copy the file again or remove it")
    width, height = struct.unpack(">II", content[16:24])
    if width * height > _MAX_PIXELS:
        raise InputError(f"picture of {width} x {height} px is too large, {path}, cut it into frames")


def _images_in(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _mask_of(root: Path, image: Path) -> Path | None:
    folder = root / "ground_truth" / image.parent.name
    for stem in (image.stem, f"{image.stem}_mask"):
        for suffix in sorted(IMAGE_SUFFIXES):
            if (folder / f"{stem}{suffix}").is_file():
                return folder / f"{stem}{suffix}"
    return None
