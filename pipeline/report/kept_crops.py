"""The crops of a run's defects as kept pictures, with what people said of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.errors import InputError
from glass_core.pictures.reading import read_image
from pipeline.ledger.crops import box_in_crop, kept_path
from pipeline.ledger.dispositions import FALSE_ALARMS
from pipeline.report.sheet import DefectRow, RunSheet, read_sheet


@dataclass(frozen=True)
class KeptCrop:
    """A defect that has a picture, and where it lies in it: x0, y0, x1, y1 (px, both last exclusive)."""

    run_id: str
    row: DefectRow
    path: Path
    box_px: tuple[int, int, int, int]

    @property
    def is_defect(self) -> bool:
        """Whether a person has said so."""
        return self.row.disposition is not None and self.row.disposition not in FALSE_ALARMS

    @property
    def kind(self) -> str | None:
        """What a person has named it; null: nobody has, or it is no defect."""
        return self.row.kind if self.is_defect else None

    @property
    def label(self) -> str:
        """What it is, by what people said: its kind, or that it is a defect or none; empty: nobody has said anything."""
        return (self.kind or "defect") if self.is_defect else (self.row.disposition or "")

    @property
    def waits(self) -> bool:
        """Whether it may be a defect whose kind nobody has named."""
        return self.row.disposition in (None, "defect") and self.row.kind is None

    def read(self) -> NDArray[np.uint8] | None:
        """The pixels; null: a line that runs has a better picture by now, and gave this one up.

        InputError where the picture is damaged, or not the one that the record tells of.
        """
        try:
            picture = read_image(self.path)
        except InputError:
            if self.path.exists():
                raise
            return None
        height, width = picture.shape[:2]
        if self.box_px[2] > width or self.box_px[3] > height:
            raise InputError(f"not the picture of its defect, {self.path}, restore or delete it")
        return picture


def read_crops(ledger: Path) -> tuple[RunSheet, list[KeptCrop]]:
    """The sheet of a ledger's last run, and those of its defects that have a picture; InputError as the ledger's."""
    sheet, defects = read_sheet(ledger)
    rows, folder = sheet.rows, ledger.parent
    kept = ((d, kept_path(folder, sheet.run_id, d)) for d in defects)
    return sheet, [
        KeptCrop(sheet.run_id, rows[d.key], path, box_in_crop(folder, sheet.run_id, d, path)) for d, path in kept if path
    ]
