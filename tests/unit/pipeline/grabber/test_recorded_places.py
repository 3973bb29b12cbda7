"""Places of recorded rows: each shot's own, also where shots do not lie end to end."""

from __future__ import annotations

import pytest

from pipeline.grabber.recorded_places import RecordedPlaces
from pipeline.messages.domains import MAX_SIDE_PX


def test_rows_lie_where_their_shot_says() -> None:
    places = RecordedPlaces()
    assert not places
    places.add(0, 40, (100.0, 120.0))
    places.add(40, 40, (150.0, 170.0))  # 30 mm went by between the two
    places.add(120, 20, (190.0, 200.0))  # 40 rows were lost
    assert places
    assert places.span_mm(0, 40) == (100, 120) and places.span_mm(40, 40) == (150, 170), "an edge belongs to both sides"
    assert places.span_mm(20, 40) == (110, 160), "a slab of two shots"
    assert places.span_mm(125, 10) == (192.5, 197.5)
    assert places.span_mm(70, 60) == (165, 195), "a slab that begins before the loss and ends after it"


def test_rows_of_shots_without_a_place_lie_nowhere() -> None:
    places = RecordedPlaces()
    places.add(10, 10, (0.0, 5.0))
    assert places.span_mm(0, 10) == (None, None)
    assert places.span_mm(5, 10) == (None, 2.5) and places.span_mm(15, 10) == (2.5, None)


def test_rows_of_cloth_that_ran_back_are_told_from_first_to_last() -> None:
    places = RecordedPlaces()
    places.add(0, 10, (30.0, 20.0))
    assert places.span_mm(2, 4) == (pytest.approx(28), pytest.approx(24))


def test_a_slab_of_many_low_shots_is_placed_and_what_lies_further_back_is_forgotten() -> None:
    places = RecordedPlaces()
    for n in range(MAX_SIDE_PX // 512 + 1):
        places.add(512 * n, 512, (5.0 * n, 5.0 * n + 5.0))
    assert places.span_mm(0, MAX_SIDE_PX) == (0, 640)
    places.add(MAX_SIDE_PX + 512, 512, (645.0, 650.0))
    assert places.span_mm(512, MAX_SIDE_PX) == (5, 645) and places.span_mm(0, 1024) == (None, 10)
