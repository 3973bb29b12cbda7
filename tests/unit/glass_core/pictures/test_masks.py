"""What the values of a mask mean, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.pictures.masks import MAX_CLASSES, Kind, MasksSeen, understood


def halves(*values: int) -> np.ndarray:
    """Good cloth, and a column of each value; higher than wide."""
    mask = np.zeros((30, len(values) + 12), np.uint8)
    mask[5:25, 2 : 2 + len(values)] = values
    return mask


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((255,), "plain"),
        ((1,), "plain"),
        ((1, 2), "classes"),
        ((10, 200), "classes"),
        (tuple(range(1, MAX_CLASSES + 1)), "classes"),
    ],
)
def test_every_class_marks(values: tuple[int, ...], kind: Kind) -> None:
    mask = understood(halves(*values))
    assert mask.kind == kind
    np.testing.assert_array_equal(mask.marks, np.where(halves(*values) > 0, 255, 0))


@pytest.mark.parametrize("highest", [255, 200])
def test_a_soft_mask_is_cut_at_half_of_its_highest(highest: int) -> None:
    ramp = tuple(round(highest * n / 20) for n in range(1, 21))
    mask = understood(halves(*ramp))
    assert mask.kind == "soft" and int(mask.marks.max()) == 255
    assert (mask.marks[10] > 127).sum() == sum(value > highest / 2 for value in ramp)


def test_a_mask_as_a_lossy_file_keeps_it_is_soft() -> None:
    clean = np.zeros((64, 96), np.uint8)
    cv2.circle(clean, (40, 30), 13, 255, -1)
    lossy = cv2.imdecode(cv2.imencode(".jpg", clean)[1], cv2.IMREAD_UNCHANGED)
    assert len(np.unique(lossy)) > MAX_CLASSES
    mask = understood(lossy)  # type: ignore[arg-type]
    assert mask.kind == "soft" and ((mask.marks > 127) != (clean > 0)).sum() < 10


def test_any_value_of_visa_marks_however_many_there_are() -> None:
    values = tuple(range(1, 40))
    mask = understood(halves(*values), any_value_marks=True)
    assert mask.kind == "plain" and (mask.marks[10] == 255).sum() == len(values)


def test_what_is_to_be_said_names_the_first_of_each() -> None:
    plain, classes, soft = halves(255), halves(1, 2), halves(*range(1, 256, 8))
    inverted, white = 255 - plain, np.full((4, 5), 255, np.uint8)
    seen = MasksSeen()
    for n, values in enumerate((plain, classes, soft, classes, inverted, white)):
        seen.add(Path(f"{n}.png"), understood(values))
    words = " | ".join(seen.words)
    assert len(seen.words) == 4
    for told in (
        "masks that hold numbers of classes: every value above 0 marks a defect: 2, the first is 1.png",
        "masks that are soft: cut at half of their highest value: 1, the first is 2.png",
        "masks that mark more than half of their picture (inverted?): 1, the first is 4.png",
        "masks that mark their whole picture: 1, the first is 5.png",
    ):
        assert told in words


def test_what_the_official_code_floors_away_is_said() -> None:
    seen = MasksSeen(floored=True)
    seen.add(Path("a.png"), understood(halves(255)))
    assert seen.words == []
    seen.add(Path("b.png"), understood(halves(200)))
    seen.add(Path("visa.png"), understood(halves(200), any_value_marks=True), any_value_marks=True)
    assert seen.words == [
        "masks that hold nothing of 255: floored, they mark nothing in the official figures: 1, the first is b.png"
    ]
