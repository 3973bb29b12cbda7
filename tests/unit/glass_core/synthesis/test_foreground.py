"""Foreground masks: found in the official layout or a folder, or made from the picture itself."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.synthesis.foreground import foreground_of, generate


def disc(radius: float, noise: float = 3.0) -> np.ndarray:
    y, x = np.mgrid[:160, :200]
    level = np.where(np.hypot(y - 80, x - 100) < radius, 60, 200)
    return (level + np.random.default_rng(0).normal(0, noise, level.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("radius", [20, 40, 70])
def test_an_object_is_found_and_its_hole_belongs_to_it(radius: int) -> None:
    picture, (y, x) = disc(radius), np.mgrid[:160, :200]
    picture[np.hypot(y - 80, x - 100) < radius / 3] = 200
    found = generate(picture)
    assert found is not None
    wanted = np.hypot(y - 80, x - 100) < radius
    overlap = ((found > 0) & wanted).sum() / ((found > 0) | wanted).sum()
    assert overlap > 0.9
    assert generate(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "texture",
    [
        np.full((90, 90), 128, np.uint8),
        np.random.default_rng(1).integers(0, 255, (90, 90)).astype(np.uint8),
        np.tile((np.arange(90) // 9 % 2 * 150).astype(np.uint8), (90, 1)),
    ],
    ids=["even", "noise", "stripes"],
)
def test_a_texture_is_foreground_everywhere(texture: np.ndarray) -> None:
    assert generate(texture) is None


def test_masks_are_found_by_stem_in_the_official_layout(tmp_path: Path) -> None:
    image = tmp_path / "screw_v2" / "screw" / "train" / "good" / "000.png"  # the class's name stands in the path twice
    masks = tmp_path / "screw_v2" / "fg_mask" / "screw"
    for folder in (image.parent, masks):
        folder.mkdir(parents=True)
    cv2.imwrite(str(image), disc(30))
    with pytest.raises(InputError, match=r"no foreground mask of 000\.png"):
        foreground_of("fg_mask", image)
    cv2.imwrite(str(masks / "000.png"), np.zeros((5, 5), np.uint8))
    with pytest.raises(InputError, match="of another size"):
        foreground_of("fg_mask", image)
    mask = np.zeros((160, 200), np.uint8)
    cv2.imwrite(str(masks / "000.png"), mask)
    with pytest.raises(InputError, match="nothing is marked"):
        foreground_of("fg_mask", image)
    mask[40:120] = 255
    cv2.imwrite(str(masks / "000.png"), mask)
    for source in ("fg_mask", masks):
        np.testing.assert_array_equal(foreground_of(source, image), mask)
    assert foreground_of("none", image) is None
    lonely = tmp_path / "good.png"
    cv2.imwrite(str(lonely), disc(30))
    with pytest.raises(InputError, match="no folder fg_mask"):
        foreground_of("fg_mask", lonely)


def test_pictures_of_one_stem_have_each_their_own_foreground(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    (tmp_path / "good").mkdir()
    masks.mkdir()
    for n, name in enumerate(("000.png", "000.bmp", "7.png")):
        cv2.imwrite(str(tmp_path / "good" / name), disc(30))
        cv2.imwrite(str(masks / name.replace("7.png", "7.BMP")), np.full((160, 200), 50 + n, np.uint8))
    for n, name in enumerate(("000.png", "000.bmp", "7.png")):
        found = foreground_of(masks, tmp_path / "good" / name)
        assert found is not None and found[0, 0] == 50 + n
    (masks / "000.bmp").unlink()
    with pytest.raises(InputError, match=r"no foreground mask of 000\.bmp"):
        foreground_of(masks, tmp_path / "good/000.bmp")
