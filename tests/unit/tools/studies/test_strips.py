"""A strip's level is that of its middle lane away from the mark, and each light is counted by its own strips."""

from __future__ import annotations

import numpy as np
import pytest

from tools.studies.rolls import followed
from tools.studies.strips import Strip, count, strip


def test_neither_the_mark_nor_what_is_not_inspected_makes_the_level() -> None:
    cells = np.full((4, 12), 0.2)
    cells[:, :3] = 0  # not inspected
    cells[:, 6:9], cells[2, 4], cells[1, 7] = 0.3, 0.99, 0.6
    near = np.zeros(cells.shape, dtype=bool)
    near[2, 3:6] = True
    found = strip(cells, near, 120.0, 3)
    assert (found.grey, found.marked, found.away) == (120.0, 0.99, 0.6)
    assert found.level == pytest.approx(np.log(0.2 / 0.8))  # the middle of 0.2, 0.6 and 0.2


def test_a_threshold_follows_by_as_much_as_the_level_moves() -> None:
    assert followed(0.5, 2.0, 2.0) == pytest.approx(0.5)
    assert followed(0.5, 2.0, 3.0) == pytest.approx(1 / (1 + np.exp(-1)))
    assert followed(0.9, 2.0, 1.0) < 0.9


def test_found_and_elsewhere_are_counted_apart() -> None:
    found = [Strip(1, 0.9, 0.1, 0.0), Strip(1, 0.3, 0.9, 2.0), Strip(1, 0.0, 0.55, 0.0)]
    told = count(found, 0.5, 0.0)
    assert told == {"strips": 3, "found": 1, "away": 2, "followed": {"found": 1, "away": 2}}
    assert count(found, 0.5, -4.0)["followed"] == {"found": 0, "away": 0}
