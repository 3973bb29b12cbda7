"""What the values of a mask mean: black and white, numbers of classes, or soft edges."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MAX_CLASSES = 8
"""A mask with more values above 0 is soft: nobody tells so many kinds of defect apart."""
INVERTED_SHARE = 0.5
"""A defect that is larger than the good cloth around it is told: more likely the mask is inverted."""
Kind = Literal["plain", "classes", "soft"]


@dataclass(frozen=True)
class Mask:
    """A mask (H, W): the values as `stored`, and where it `marks` a defect in 0..255, above half for certain."""

    stored: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    kind: Kind

    @property
    def share(self) -> float:
        """How much of its picture is marked."""
        return float((self.marks > 127).mean())


def understood(stored: NDArray[np.uint8], any_value_marks: bool = False) -> Mask:
    """The mask with the given values (H, W): of a few distinct ones each above 0 marks, a soft one is scaled to 255.

    `any_value_marks`: however many there are.
    """
    values = np.unique(stored)
    above = int((values > 0).sum())
    if above <= MAX_CLASSES or any_value_marks:
        marks = np.where(stored > 0, 255, 0).astype(np.uint8)
        return Mask(stored, marks, "plain" if above < 2 or any_value_marks else "classes")
    highest = int(values[-1])
    scaled = stored if highest == 255 else (stored.astype(np.float32) * 255 / highest).astype(np.uint8)
    return Mask(stored, scaled, "soft")


@dataclass
class MasksSeen:
    """Gathers what is to be said of the masks of a test set; `floored`: by the official code, over 255."""

    floored: bool = False
    _found: defaultdict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))

    def add(self, path: Path, mask: Mask, any_value_marks: bool = False) -> None:
        """Takes in the mask of a defective picture."""
        if self.floored and not any_value_marks and mask.stored.max() < 255:
            self._found["hold nothing of 255: floored, they mark nothing in the official figures"].append(path)
        if mask.kind == "classes":
            where = "at a half every value above 0 marks a defect" if self.floored else "every value above 0 marks a defect"
            self._found[f"hold numbers of classes: {where}"].append(path)
        if mask.kind == "soft":
            self._found["are soft: cut at half of their highest value"].append(path)
        if mask.share == 1:
            self._found["mark their whole picture"].append(path)
        elif mask.share > INVERTED_SHARE:
            self._found["mark more than half of their picture (inverted?)"].append(path)

    @property
    def words(self) -> list[str]:
        """One line for each thing that was seen, with how many masks it is true of and the first of them."""
        return [f"masks that {what}: {len(paths)}, the first is {paths[0]}" for what, paths in self._found.items()]
