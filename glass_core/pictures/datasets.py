"""Finds the pictures of a data set: a folder, a recording of the line, the MVTec layout, or VisA with its split file."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.pictures.reading import IMAGE_SUFFIXES, read_image

GOOD = "good"
VISA_SPLIT = Path("split_csv") / "1cls.csv"
_MAX_CSV_BYTES = 64 << 20


@dataclass(frozen=True)
class TestImage:
    """One picture of a data set's test part: its defect's name ("good" for none), and its mask where there is one.

    In VisA's masks any value but 0 marks a defect; elsewhere those above half of the highest value do.
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
        return sorted({row["object"] for row in _split_rows(path / VISA_SPLIT)})
    return sorted(part.parent.name for part in path.glob("*/test"))


def list_images(path: Path) -> list[Path]:
    """The good pictures of a recording, a data set (MVTec layout or VisA: those for training), or a plain folder; sorted.

    Raises InputError when the folder is missing or holds no pictures.
    """
    if not path.is_dir():
        raise InputError(f"no such folder, {path}, give a folder of pictures, a data set or a recording")
    if visa := _visa_rows(path):
        images = sorted(path.parent / row["image"] for row in visa if row["split"] == "train")
    elif (path / "recording.json").is_file():
        images = sorted(file for file in path.glob("*/*.png") if not file.name.startswith("."))
    else:
        good = path / "train" / GOOD
        images = _images_in(good if good.is_dir() else path)
    if not images:
        _refuse_several_classes(path)
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"no pictures, {path}, put pictures ({known}) straight into this folder or into train/good")
    return images


def list_test_images(path: Path) -> list[TestImage]:
    """The test part of a class of VisA, or of a data set in MVTec layout; sorted.

    There it is test/<label>, with ground_truth/<label> paired by stem. Raises InputError when there is none, or a
    picture of a defect has no mask although there is a folder ground_truth.
    """
    if visa := _visa_rows(path):
        found = [_visa_image(path.parent, row) for row in visa if row["split"] == "test"]
        return sorted(found, key=lambda image: image.path)
    folders = sorted(folder for folder in (path / "test").glob("*") if folder.is_dir())
    found = [TestImage(image, folder.name, _mask_of(path, image)) for folder in folders for image in _images_in(folder)]
    if not found:
        _refuse_several_classes(path)
        raise InputError(f"no test pictures, {path / 'test'}, give a data set with test/good and test/<defect>")
    if (path / "ground_truth").is_dir():
        for image in found:
            if image.defective and image.mask is None:
                wanted = path / "ground_truth" / image.label / f"{image.path.stem}.png"
                raise InputError(f"a picture of a defect without its mask, {image.path}, put it at {wanted}")
    return found


def read_mask(image: TestImage, height: int, width: int) -> NDArray[np.uint8] | None:
    """The mask of a test picture of height x width px, scaled to 0..255; None without one, zeros for a good picture.

    Raises InputError when it is unreadable, of another size, or marks nothing.
    """
    if not image.defective:
        return np.zeros((height, width), dtype=np.uint8)
    if image.mask is None:
        return None
    mask = read_image(image.mask)
    values = mask if mask.ndim == 2 else mask.max(axis=2)
    if values.shape != (height, width):
        sizes = f"{values.shape[1]} x {values.shape[0]} px, its picture {width} x {height}"
        raise InputError(f"a mask of another size ({sizes}), {image.mask}, give the mask of {image.path.name}")
    highest = int(values.max())
    if not highest:
        raise InputError(f"a mask that marks nothing, {image.mask}, mark the defect or move the picture to test/{GOOD}")
    if image.any_value_marks:
        return np.where(values > 0, 255, 0).astype(np.uint8)
    return values if highest == 255 else (values.astype(np.float32) * 255 / highest).astype(np.uint8)


def check_test_images(images: Iterable[TestImage]) -> None:
    """Decodes every picture and its mask once, so that a bad one is known before hours of scoring; InputError as read_mask."""
    for image in images:
        read_mask(image, *read_image(image.path).shape[:2])


def _visa_rows(path: Path) -> list[dict[str, str]]:
    """The rows of VisA's split file for the class whose folder `path` is; none where this is no class of VisA."""
    if (path / VISA_SPLIT).is_file():
        raise InputError(
            f"a data set of several classes, {path}, give the folder of one of them: {', '.join(list_classes(path))}"
        )
    table = path.parent / VISA_SPLIT
    return [row for row in _split_rows(table) if row["object"] == path.name] if table.is_file() else []


def _split_rows(table: Path) -> list[dict[str, str]]:
    """Of VisA's split file, all of them."""
    try:
        if table.stat().st_size > _MAX_CSV_BYTES:
            raise InputError(f"split file over {_MAX_CSV_BYTES} bytes, {table}, give VisA's own")
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"split file not readable ({error}), {table}, restore VisA's own") from None
    columns = ("object", "split", "label", "image", "mask")
    for number, row in enumerate(rows, 1):
        if any(row.get(column) is None for column in columns):
            raise InputError(
                f"split file without the columns {', '.join(columns)} in row {number}, {table}, restore VisA's own"
            )
    return rows


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
