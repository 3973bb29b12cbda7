"""VisA's split file: which picture of which class belongs to which part, with which mask."""

import csv
from pathlib import Path, PurePosixPath

from glass_core.errors import InputError

VISA_SPLIT = Path("split_csv") / "1cls.csv"
_MAX_CSV_BYTES = 64 << 20


def list_objects(root: Path) -> list[str]:
    """The classes in the split file of a data set; sorted. InputError where it cannot be read."""
    return sorted({row["object"] for row in _rows(root / VISA_SPLIT)})


def rows_of_class(path: Path) -> list[dict[str, str]]:
    """The rows of VisA's split file for the class whose folder `path` is; none where this is no class of VisA."""
    if (path / VISA_SPLIT).is_file():
        raise InputError(
            f"a data set of several classes, {path}, give the folder of one of them: {', '.join(list_objects(path))}"
        )
    table = path.parent / VISA_SPLIT
    return [row for row in _rows(table) if row["object"] == path.name] if table.is_file() else []


def _rows(table: Path) -> list[dict[str, str]]:
    """Of VisA's split file, all of them."""
    try:
        if table.stat().st_size > _MAX_CSV_BYTES:
            raise InputError(f"split file over {_MAX_CSV_BYTES} bytes, {table}, give VisA's own")
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"split file not readable ({error}), {table}, restore VisA's own") from None
    columns = ("object", "split", "label", "image", "mask")
    for number, row in enumerate(rows, 1):
        for name in (PurePosixPath(row.get(column) or "") for column in ("image", "mask")):
            if name.is_absolute() or ".." in name.parts or "\0" in str(name):
                raise InputError(f"a picture outside the data set in row {number}, {table}, restore VisA's own")
        if any(row.get(column) is None for column in columns):
            raise InputError(
                f"split file without the columns {', '.join(columns)} in row {number}, {table}, restore VisA's own"
            )
    return rows
