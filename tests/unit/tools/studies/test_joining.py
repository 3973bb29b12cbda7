"""The roll of known defects: what is painted is found once, and what is counted twice would be told."""

from __future__ import annotations

import random

import pytest

from glass_core.errors import InputError
from pipeline.cloth.joining import Joiner
from tools.studies.joining import SLAB_MM, STEP_MM, Roll, boxes_of, known_defects, matched


def test_each_defect_is_counted_once_and_a_second_count_is_told() -> None:
    rng = random.Random(3)
    slabs = 60
    boxes = known_defects(rng, 30, slabs * STEP_MM, cameras=3)
    roll, joiner, verdicts = Roll(3, boxes, rng), Joiner(), 0
    found = []
    for number in range(slabs):
        for verdict in roll.slab(number):
            verdicts += 1
            found += joiner.add(verdict)[1]
    found += joiner.flush()
    assert verdicts == 3 * slabs
    places = boxes_of(found)
    told = matched(places, boxes)
    assert told == {
        "counted_once": 30, "counted_twice_or_more": 0, "missed": 0, "joined_with_another": 0, "counted_though_not_there": 0,
    }  # fmt: skip
    assert any(d.frames > 1 for d in found) and any(len(d.cameras) > 1 for d in found), "seams were met"
    assert matched([*places, places[4]], boxes)["counted_twice_or_more"] == 1
    assert matched(places[1:], boxes)["missed"] == 1
    assert matched(places, boxes[1:])["counted_though_not_there"] == 1


def test_too_many_for_the_roll_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit"):
        known_defects(random.Random(0), 100, 10 * SLAB_MM, cameras=2)
