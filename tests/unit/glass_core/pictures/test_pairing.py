"""Each picture has the mask of its own name or none; what is left over is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from glass_core.pictures.pairing import pair


def paths(folder: str, names: str) -> list[Path]:
    return [Path(folder) / name for name in names.split()]


@pytest.mark.parametrize(
    ("pictures", "masks", "paired"),
    [
        ("1.png 2.png", "2.png 1.png", "1.png=1.png 2.png=2.png"),
        ("000.png 000.bmp", "000.bmp 000.png", "000.png=000.png 000.bmp=000.bmp"),
        ("000.png 000.bmp", "000_mask.bmp 000_mask.png", "000.png=000_mask.png 000.bmp=000_mask.bmp"),
        ("000.png 000.bmp", "000.bmp", "000.bmp=000.bmp"),  # it is not the other's
        ("000.png 000.jpg", "000.bmp", ""),  # of both or of none
        ("000.png 000.bmp", "000.png 000_mask.tif", "000.png=000.png"),  # might be the first one's, too
        ("7.jpg", "7_mask.PNG", "7.jpg=7_mask.PNG"),
        ("7.PNG", "7.png", "7.PNG=7.png"),
        ("7.PNG 7.png", "7.png 7.PNG", "7.PNG=7.PNG 7.png=7.png"),
        ("7.PNG 7.png", "7_mask.png", "7.png=7_mask.png"),
        ("7.PNG 7.png", "7_mask.png 7_mask.PNG", "7.PNG=7_mask.PNG 7.png=7_mask.png"),
        ("1.png 1_mask.png", "1_mask.png 1.png", "1.png=1.png 1_mask.png=1_mask.png"),
        ("1.png", "1.bmp 1.tif", ""),
        ("1.png", "1.png 1_mask.png", "1.png=1.png"),
        ("a.b.png", "a.b_mask.png a_mask.png", "a.b.png=a.b_mask.png"),
        ("10.png 1.png", "1.png", "1.png=1.png"),
        ("1.png", "_mask.png x_mask.png", ""),
    ],
)
def test_names_are_paired_one_to_one(pictures: str, masks: str, paired: str) -> None:
    ours, theirs = paths("test", pictures), paths("truth", masks)
    found = pair(ours, theirs)
    assert found.masks == {Path("test") / p: Path("truth") / m for p, m in (pairs.split("=") for pairs in paired.split())}
    assert set(found.pictures_alone) == set(ours) - found.masks.keys()
    assert set(found.masks_alone) == set(theirs) - set(found.masks.values())


def test_pictures_of_several_folders_are_not_taken_for_one_another() -> None:
    found = pair([Path("hole/0.png"), Path("slub/0.png"), Path("slub/1.png")], paths("truth", "0.png 1.png"))
    assert found.masks == {Path("slub/1.png"): Path("truth/1.png")}
    assert found.pictures_alone == (Path("hole/0.png"), Path("slub/0.png"))
