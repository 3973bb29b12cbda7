"""A strip's lanes are those away from its mark, and each light is counted by its own strips."""

from __future__ import annotations

import numpy as np

from calibration.threshold import GoodLook
from tools.studies.strips import Strip, count, strip

GOOD = GoodLook(level=None, texture=None, share=0.5, middle_shares=(0.1, 0.2, 0.4), levels=(-2.5, -2.0, -1.5))


def test_the_mark_is_in_no_lane() -> None:
    cells = np.full((4, 12), 0.2)
    cells[:, 6:9], cells[2, 4], cells[1, 7] = 0.3, 0.99, 0.6
    near = np.zeros(cells.shape, dtype=bool)
    near[2, 3:6] = True
    assert strip(cells, near, 120.0, 3) == Strip(120.0, 0.99, 0.6, (0.2, 0.2, 0.6, 0.2))


def test_found_and_elsewhere_are_counted_apart_and_a_raised_strip_by_its_own_level() -> None:
    calm, high = (0.1, 0.1, 0.1), (0.3, 0.9, 0.3)  # the middle lane of the second lies 0.85 below 0.5 in log odds
    found = [Strip(1, 0.9, 0.1, calm), Strip(1, 0.6, 0.9, high), Strip(1, 0.0, 0.55, calm)]
    assert count(found, 0.5, GOOD) == {"strips": 3, "found": 2, "away": 2, "followed": {"found": 1, "away": 2}}
