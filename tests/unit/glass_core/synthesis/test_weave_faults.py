"""Faults made from the cloth: of every kind, along the yarns, where their mask says, and visible."""

import math
from typing import Any

import cv2
import numpy as np
import pytest

from glass_core.synthesis.las import Synthesiser
from glass_core.synthesis.texture import ProceduralTextures
from glass_core.synthesis.weave_faults import FAULTS, VISIBLE, weave_faults
from glass_core.synthesis.yarns import UNCLEAR_PITCH_PX, Yarns, find_yarns

SIDE = 256
YARNS = (Yarns(0.0, 5.0), Yarns(0.0, 6.0))


def cloth(warp_px: float, weft_px: float, turn_deg: float = 0.0, noise: float = 4.0, seed: int = 0) -> np.ndarray:
    """A plain grating of both sets of yarns, turned."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    u, v = c * x - s * y, s * x + c * y
    waves = 25 * np.cos(2 * np.pi * u / warp_px) + 20 * np.cos(2 * np.pi * v / weft_px)
    return (120 + waves + np.random.default_rng(seed).normal(0, noise, (SIDE, SIDE))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("warp_px", "weft_px", "turn_deg"), [(5, 6, 0), (8, 3.5, 0), (4, 10, 6), (12, 7, -9), (3, 3, 3)])
def test_pitch_and_tilt_are_those_of_the_cloth(warp_px: float, weft_px: float, turn_deg: float) -> None:
    warp, weft = find_yarns([cloth(warp_px, weft_px, turn_deg, seed=seed) for seed in range(3)])
    # a bin of the spectrum is 1 / SIDE wide
    assert 1 / warp.pitch_px == pytest.approx(1 / warp_px, abs=1 / SIDE)
    assert 1 / weft.pitch_px == pytest.approx(1 / weft_px, abs=1 / SIDE)
    assert math.degrees(warp.tilt_rad) == pytest.approx(turn_deg, abs=math.degrees(warp_px / SIDE))
    assert math.degrees(weft.tilt_rad) == pytest.approx(-turn_deg, abs=math.degrees(weft_px / SIDE))


def test_a_surface_without_yarns_gets_straight_ones() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    assert find_yarns([noise]) == (Yarns(0.0, UNCLEAR_PITCH_PX),) * 2


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_each_kind_changes_what_its_mask_says(kind: Any, colour: bool) -> None:
    tile = cloth(5, 6)
    tile = np.dstack([tile, tile // 2, 255 - tile]) if colour else tile
    seen = 0
    for seed in range(12):
        faulty, mask = weave_faults(tile, YARNS, np.random.default_rng(seed), kinds=(kind,))
        assert faulty.shape == tile.shape and faulty.dtype == np.float32 and mask.shape == (SIDE, SIDE)
        assert faulty.min() >= 0 and faulty.max() <= 255
        change = np.abs(faulty - tile).reshape(SIDE, SIDE, -1).mean(axis=2)
        if not mask.any():
            assert not change.any()
            continue
        seen += 1
        inside = np.sqrt(np.square(faulty - tile).reshape(SIDE, SIDE, -1).mean(axis=2)[mask].mean())
        grey = tile if tile.ndim == 2 else tile.mean(axis=2)
        assert inside >= 0.99 * VISIBLE * grey.std()
        cells = [each.reshape(SIDE // 4, 4, SIDE // 4, 4) for each in (mask, np.square(change))]
        unmarked = ~cells[0].any(axis=(1, 3)) & (np.sqrt(cells[1].mean(axis=(1, 3))) > 0.5 * tile.std(axis=(0, 1)).mean())
        assert unmarked.sum() <= 0.02 * mask.sum() / 16  # cells of 4 px that would be learned as good
        far = cv2.dilate(mask.astype(np.uint8), np.ones((33, 33), np.uint8)) == 0
        assert change[far].mean() < 0.02 * inside
    assert seen >= 8


@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
def test_long_faults_lie_along_the_yarns(tilt_deg: float) -> None:
    tile = cloth(5, 5, tilt_deg)
    tilt = math.radians(tilt_deg)
    yarns = (Yarns(tilt, 5.0), Yarns(-tilt, 5.0))
    kind = next(kind for kind in FAULTS if kind.__name__ == "off_shade_yarns")
    ways = []
    for seed in range(40):
        _, mask = weave_faults(tile, yarns, np.random.default_rng(seed), kinds=(kind,))
        (_, _), sides, angle = cv2.minAreaRect(np.argwhere(mask)[:, ::-1].astype(np.float32))
        if max(sides) > 60 and max(sides) > 5 * min(sides):
            ways.append((angle if sides[0] > sides[1] else angle + 90) % 180)  # from x towards y
    warp = [way for way in ways if 45 < way < 135]
    weft = [way for way in ways if not 45 < way < 135]
    assert len(warp) > 3 and len(weft) > 3
    assert np.median(warp) == pytest.approx(90 - tilt_deg, abs=1.5)
    assert np.median([way if way < 90 else way - 180 for way in weft]) == pytest.approx(-tilt_deg, abs=1.5)


def test_everything_comes_from_the_generator() -> None:
    tile = cloth(5, 6)
    first, again, other = (weave_faults(tile, YARNS, np.random.default_rng(seed), 3) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_cloth_without_contrast_is_spoilt_visibly_too() -> None:
    tile = np.full((SIDE, SIDE), 90, np.uint8)
    changed = [weave_faults(tile, YARNS, np.random.default_rng(seed))[1].any() for seed in range(30)]
    assert np.mean(changed) > 0.5


def test_the_synthesiser_mixes_both_sorts_in_the_stated_proportion() -> None:
    tile, textures = cloth(5, 6), ProceduralTextures()
    mixed = Synthesiser(textures, SIDE, yarns=YARNS, weave_share=0.6)
    pasted = Synthesiser(textures, SIDE)
    woven = 0
    for seed in range(60):
        defect, labels = mixed(tile, np.random.default_rng(seed))
        assert labels.shape == (SIDE // 8, SIDE // 8)
        rng = np.random.default_rng(seed)
        rng.random()  # the lot that decides which sort it is
        woven += not np.array_equal(defect, pasted(tile, rng)[0])
    assert abs(woven - 36) < 4 * (60 * 0.6 * 0.4) ** 0.5
