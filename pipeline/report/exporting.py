"""Reviewed crops as a data set for other tools: a folder for each class, or COCO's JSON beside the pictures."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from glass_core.errors import InputError
from glass_core.files.whole_folder import whole_folder
from pipeline.ledger.reading import ledgers_of
from pipeline.report.kept_crops import KeptCrop, read_crops

Form = Literal["folders", "coco"]
MAX_FOLDER_NAME = 48


def export_crops(ledgers: Sequence[Path], out: Path, form: Form = "folders") -> dict[str, int]:
    """Copy every reviewed crop of the last run of each ledger into the new folder `out`; how many there are of each label.

    A label is the kind that a person named; else `defect`, `acceptable` or `lint`. As `folders`, classes.json tells the label
    of each folder. As `coco` a defect has its box, and what is no defect is a picture without one
    (https://cocodataset.org/#format-data). Raises InputError where nothing was reviewed or `out` is not empty.
    """
    reviewed = [
        (f"{place:03d}_{crop.run_id}_{'-'.join(map(str, crop.row.key))}.png", crop)
        for place, ledger in enumerate(ledgers_of(ledgers))
        for crop in read_crops(ledger)[1]
        if crop.label
    ]
    if not reviewed:
        raise InputError("no reviewed defect with a picture, the ledgers, say what defects are with `glassline review DIR`")
    with whole_folder(out) as part:
        if form == "coco":
            _write_coco(part, reviewed)
        else:
            _write_folders(part, reviewed)
    return dict(Counter(crop.label for _, crop in reviewed))


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """A name for the folder of each label: ASCII letters, digits, `-` and `_` alone, and no two alike."""
    names: dict[str, str] = {}
    for label in sorted(set(labels)):
        plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
        base = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:MAX_FOLDER_NAME] or "class"
        name, number = base, 2
        while name in names.values():
            name, number = f"{base}-{number}", number + 1
        names[label] = name
    return names


def _write_folders(out: Path, reviewed: Sequence[tuple[str, KeptCrop]]) -> None:
    names = folder_names(crop.label for _, crop in reviewed)
    for name in names.values():
        (out / name).mkdir()
    for file, crop in reviewed:
        _copy(crop, out / names[crop.label] / file)
    _write_json(out / "classes.json", {"schema": 1, "classes": {name: label for label, name in names.items()}})


def _write_coco(out: Path, reviewed: Sequence[tuple[str, KeptCrop]]) -> None:
    (out / "images").mkdir()
    kinds = sorted({crop.label for _, crop in reviewed if crop.is_defect})
    images, annotations = [], []
    for number, (file, crop) in enumerate(reviewed, 1):
        height, width = _copy(crop, out / "images" / file)
        images.append({"id": number, "file_name": file, "width": width, "height": height})
        if crop.is_defect:
            x0, y0, x1, y1 = crop.box_px
            annotations.append({
                "id": number, "image_id": number, "category_id": 1 + kinds.index(crop.label),
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0, "segmentation": [],
            })  # fmt: skip
    categories = [{"id": number, "name": kind, "supercategory": "defect"} for number, kind in enumerate(kinds, 1)]
    info = {"description": "reviewed defects of a line"}
    told = {"info": info, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    _write_json(out / "annotations.json", told)


def _copy(crop: KeptCrop, to: Path) -> tuple[int, int]:
    """Height and width of the picture, px; InputError for one that is damaged or gone."""
    if (picture := crop.read()) is None:
        raise InputError(f"the line has a better picture of this defect by now, {crop.path}, export again")
    shutil.copyfile(crop.path, to)
    return picture.shape[0], picture.shape[1]


def _write_json(path: Path, body: Mapping[str, object]) -> None:
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
