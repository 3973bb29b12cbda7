"""A region is on the mask when it comes within the margin of a marked pixel, and not one pixel further."""

import numpy as np
import pytest

from tools.studies.mask_check import on_mask


@pytest.mark.parametrize(
    ("x0", "margin", "hit"), [(40, 0, False), (40, 9, False), (40, 10, True), (30, 0, True), (24, 0, True)]
)
def test_margin(x0: int, margin: int, hit: bool) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20, 30] = 255
    verdict = {"regions": [{"x0_px": x0, "y0_px": 16, "x1_px": x0 + 8, "y1_px": 24}]}
    assert on_mask(verdict, mask, margin) is hit


def test_a_verdict_without_regions_is_on_nothing() -> None:
    assert not on_mask({"regions": []}, np.full((8, 8), 255, np.uint8), 3)
