"""Finds the pictures of a data set: a folder, a recording of the line, the MVTec layout, or VisA with its split file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.events import LeftOut
from glass_core.pictures.masks import Mask, MasksSeen, understood
from glass_core.pictures.pairing import pair
from glass_core.pictures.reading import IMAGE_SUFFIXES, read_image
from glass_core.pictures.visa import VISA_SPLIT, list_objects, rows_of_class

GOOD = "good"
SHOWN = 5
"""Names in a message."""
UNREAD_SUFFIXES = {
    ".gif", ".webp", ".apng", ".mpo", ".avif", ".heic", ".jxl", ".jp2",
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".ogv",
}  # fmt: skip
"""Films and pictures of other kinds, which a folder may hold beside those that are read."""


@dataclass(frozen=True)
class TestImage:
    """One picture of a data set's test part: its defect's name ("good" for none), and its mask where there is one.

    In VisA's masks any value but 0 marks a defect; elsewhere as masks.understood reads them.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    path: Path
    label: str
    mask: Path | None
    any_value_marks: bool = False

    @property
    def defective(self) -> bool:
        return self.label != GOOD


def list_classes(path: Path) -> list[str]:
    """The classes of a data set, whose folders `path` holds: those of VisA's split file, or all that have a part test; sorted.

    None where there are none. Raises InputError for a split file that cannot be read.
    """
    if (path / VISA_SPLIT).is_file():
        return list_objects(path)
    return sorted(part.parent.name for part in path.glob("*/test"))


def list_images(path: Path) -> list[Path]:
    """The good pictures of a recording, a data set (MVTec layout or VisA: those for training), or a plain folder; sorted.

    Raises InputError when the folder is missing or holds no pictures.
    """
    if not path.is_dir():
        raise InputError(f"no such folder, {path}, give a folder of pictures, a data set or a recording")
    if visa := rows_of_class(path):
        images = sorted(path.parent / row["image"] for row in visa if row["split"] == "train")
    elif (path / "recording.json").is_file():
        images = sorted(file for file in path.glob("*/*.png") if not file.name.startswith("."))
    else:
        good = path / "train" / GOOD
        images = images_in(good if good.is_dir() else path)
    if not images:
        _refuse_several_classes(path)
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"no pictures, {path}, put pictures ({known}) straight into this folder or into train/good")
    return images


def list_test_images(path: Path) -> list[TestImage]:
    """The test part of a class of VisA, or of a data set in MVTec layout; sorted.

    There it is test/<label>, paired by name with ground_truth/<label> (pairing.pair). Raises InputError when there is none,
    or a picture of a defect has no mask although there is a folder ground_truth, or a mask there no picture.
    """
    if visa := rows_of_class(path):
        found = [_visa_image(path.parent, row) for row in visa if row["split"] == "test"]
        return sorted(found, key=lambda image: image.path)
    folders = sorted(folder for folder in (path / "test").glob("*") if folder.is_dir())
    pictures = {folder.name: images_in(folder) for folder in folders}
    if not any(pictures.values()):
        _refuse_several_classes(path)
        raise InputError(f"no test pictures, {path / 'test'}, give a data set with test/good and test/<defect>")
    masks = _masks_of(path / "ground_truth", pictures) if (path / "ground_truth").is_dir() else {}
    return [TestImage(image, label, masks.get(image)) for label, images in pictures.items() for image in images]


def load_mask(image: TestImage, height: int, width: int) -> Mask | None:
    """The mask of a test picture of height x width px; None without one, zeros for a good picture.

    Raises InputError when it is unreadable, of another size, or marks nothing.
    """
    if not image.defective:
        return understood(np.zeros((height, width), dtype=np.uint8))
    if image.mask is None:
        return None
    mask = read_image(image.mask)
    values = mask if mask.ndim == 2 else mask.max(axis=2)
    if values.shape != (height, width):
        other = "lying on its side" if values.shape == (width, height) else "of another size"
        sizes = f"{values.shape[1]} x {values.shape[0]} px, its picture {width} x {height}"
        raise InputError(f"a mask {other} ({sizes}), {image.mask}, give the mask of {image.path.name}")
    if not values.any():
        raise InputError(f"a mask that marks nothing, {image.mask}, mark the defect or move the picture to test/{GOOD}")
    return understood(values, image.any_value_marks)


def read_mask(image: TestImage, height: int, width: int) -> NDArray[np.uint8] | None:
    """Where the mask of a test picture marks a defect, (H, W) in 0..255; None and InputError as load_mask."""
    mask = load_mask(image, height, width)
    return None if mask is None else mask.marks


def check_test_images(images: Iterable[TestImage], floored: bool = False) -> list[str]:
    """Decodes every picture and its mask once, so that a bad one is known before hours of scoring; InputError as load_mask.

    What is to be said of the masks, a line each: how their values were read, and which mark most of their picture. `floored`:
    they will be as in the official code, and what is below 255 marks nothing.
    """
    seen = MasksSeen(floored)
    for image in images:
        mask = load_mask(image, *read_image(image.path).shape[:2])
        if image.mask is not None and mask is not None:
            seen.add(image.mask, mask, image.any_value_marks)
    return seen.words


def left_below(folders: Iterable[Path]) -> LeftOut | None:
    """Pictures in subfolders of the folders that are read: they are left out, and nobody should have to wonder why."""
    read = set(folders)
    subfolders = [sub for folder in sorted(read) for sub in folder.iterdir() if sub.is_dir() and sub not in read]
    below = [file for subfolder in subfolders for file in subfolder.rglob("*") if _is_picture(file)]
    return LeftOut(len(below), f"they lie in subfolders, the first is {min(below)}") if below else None


def _visa_image(root: Path, row: dict[str, str]) -> TestImage:
    if row["label"] == "normal":
        return TestImage(root / row["image"], GOOD, None)
    if not row["mask"]:
        raise InputError(f"a picture of a defect without its mask, {root / row['image']}, restore the split file")
    return TestImage(root / row["image"], row["label"], root / row["mask"], any_value_marks=True)


def _refuse_several_classes(path: Path) -> None:
    classes = sorted(each.name for each in path.glob("*") if (each / "train" / GOOD).is_dir() or (each / "test").is_dir())
    if classes:
        raise InputError(f"a data set of several classes, {path}, give the folder of one of them: {', '.join(classes)}")


def images_in(folder: Path) -> list[Path]:
    """The pictures straight in a folder, sorted.

    Raises InputError for a film or another picture that is not read: cloth in it would be passed over.
    """
    files = sorted(file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file())
    if unread := [file for file in files if file.suffix.lower() in UNREAD_SUFFIXES]:
        raise InputError(f"not a picture that is read, {unread[0]}, save its pictures as PNG or take it out of the folder")
    return [file for file in files if _is_picture(file)]


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file()


def _masks_of(root: Path, pictures: dict[str, list[Path]]) -> dict[Path, Path]:
    """The mask of each picture of a defect, by labels; InputError names what is left over on either side."""
    found, alone, unused = dict[Path, Path](), list[Path](), list[Path]()
    for label in sorted({*pictures, *(folder.name for folder in root.iterdir() if folder.is_dir())} - {GOOD}):
        masks = images_in(root / label) if (root / label).is_dir() else []
        pairs = pair(pictures.get(label, []), masks)
        found |= pairs.masks
        alone += pairs.pictures_alone
        unused += pairs.masks_alone
    lone_masks = f"{_listed(unused)} belonging to no picture" if unused else ""
    if alone:
        wanted, what = root / alone[0].parent.name / alone[0].name, "a picture of a defect without its mask"
        if len(alone) > 1:
            what = f"{len(alone)} pictures of defects without their masks ({_listed(alone)})"
        raise InputError(f"{what}, {lone_masks and f'with {lone_masks}: '}{alone[0]}, put it at {wanted}")
    if unused:
        raise InputError(f"a mask without its picture ({_listed(unused)}), {unused[0]}, name it as its picture or remove it")
    return found


def _listed(paths: Sequence[Path]) -> str:
    """Some of them by name."""
    names = ", ".join(f"{path.parent.name}/{path.name}" for path in paths[:SHOWN])
    return f"{names} and {len(paths) - SHOWN} more" if len(paths) > SHOWN else names
