"""A roll as the page shows it: bounded, to scale, and with the scores of its own time."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.dashboard.roll_so_far import MAX_DEFECTS, POINTS, RollSoFar
from pipeline.messages.cloth import Roll
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict

SECOND = 10**9
SCALES: dict[str, tuple[float | None, float]] = {"left": (0.2, 0.0), "right": (0.2, 200.0)}
ROLL = Roll(number=0, generation=0, roll_id="R-7", style="twill", start_mm=5000.0, cause="command", t_mono_ns=0, t_utc_ns=0)


def verdict(number: int, start_mm: float | None, camera: str = "left", **changes: Any) -> Verdict:
    """A frame of 100 mm."""
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": camera, "boot_id": "b", "seq": number, "result": Result.PASS, "score": 0.3,
        "start_mm": start_mm, "end_mm": None if start_mm is None else start_mm + 100, "frame_shape": (500, 1000),
        "roll_id": "R-7", "t_mono_ns": 0, "t_utc_ns": number * SECOND, **changes,
    })  # fmt: skip


def defect(number: int, start_mm: float | None, **changes: Any) -> Verdict:
    known = start_mm is not None
    y = {"y0_mm": start_mm + 40, "y1_mm": start_mm + 50, "x0_mm": 20.0, "x1_mm": 24.0} if known and start_mm is not None else {}
    region = Region(x0_px=100, y0_px=200, x1_px=120, y1_px=250, score=0.9, **y)
    return verdict(number, start_mm, result=Result.DEFECT, score=0.9, regions=(region,), **changes)


def roll(in_mm: bool = True, thresholds: tuple[float, ...] = (0.6,)) -> RollSoFar:
    return RollSoFar(ROLL, in_mm, SCALES, {"": thresholds})


def test_places_count_from_the_beginning_of_the_roll() -> None:
    cloth = roll()
    cloth.add(verdict(0, 5000))
    cloth.add(defect(1, 5100))
    cloth.add(verdict(2, 5200, "right", result=Result.NOT_INSPECTED, reason=Reason.NO_SCORE, score=None))
    told = cloth.told({}, {})
    (row,) = told["defects"]
    assert (row["from_m"], row["size_mm"], row["key"], row["closed"]) == (0.14, [10.0, 4.0], (0, 1, 0), False)
    assert row["at"] == [22.0, 0.145]
    left, right = told["map"]["strips"]
    assert left["runs"] == [(0.0, 0.2083, "inspected")] and left["x"] == (0.0, 200.0)
    assert [run[2] for run in right["runs"]] == ["NO_SCORE"] and right["runs"][0][0] == pytest.approx(0.2, abs=0.02)
    assert (told["roll"], told["style"]) == ("R-7", "twill")


def test_a_defect_is_whole_once_the_cloth_is_far_beyond_it() -> None:
    cloth = roll()
    cloth.add(defect(0, 5000))
    for n in range(1, 60):
        cloth.add(verdict(n, 5000 + 100 * n))
    (row,) = cloth.told({}, {})["defects"]
    assert row["closed"]


def test_what_is_told_again_counts_once() -> None:
    cloth = roll()
    for number, start_mm in ((3, 5000), (3, 5000), (2, 6000)):
        cloth.add(defect(number, start_mm))
    assert [d["key"] for d in cloth.told({}, {})["defects"]] == [(0, 3, 0)]


def test_it_stays_bounded_and_says_what_it_leaves_out() -> None:
    cloth = roll()
    for n in range(MAX_DEFECTS + 30):
        cloth.add(defect(n, 5000 + 300 * n))
    told = cloth.told({}, {})
    assert len(told["defects"]) == MAX_DEFECTS and told["left_out"] == 30
    assert told["defects"][-1]["key"] == (0, MAX_DEFECTS + 29, 0)
    assert max(len(points) for points in told["scores"]["points"].values()) <= POINTS


def test_defects_are_counted_as_they_are_found_also_where_the_first_are_left_out() -> None:
    cloth = roll()
    for n in range(MAX_DEFECTS + 30):
        cloth.add(defect(n, 5000 + 300 * n))
        cloth.add(verdict(n, 5000 + 300 * n, camera="right"))  # told before
    assert cloth.found == cloth.told({}, {})["found"] == MAX_DEFECTS + 30


def test_without_a_scale_it_counts_frames() -> None:
    cloth = roll(in_mm=False)
    cloth.add(verdict(40, None))
    cloth.add(defect(41, None))
    told = cloth.told({}, {})
    (row,) = told["defects"]
    assert (row["from_m"], row["size_mm"], row["frame"], row["closed"]) == (None, None, 41, True)
    assert not told["map"]["in_mm"] and told["map"]["strips"][0]["runs"][0][2] == "inspected"


def test_scores_are_shares_of_their_own_lanes_threshold() -> None:
    cloth = RollSoFar(ROLL, True, SCALES, {"": (0.5, 0.9), "satin": (0.2,)})
    cloth.add(verdict(0, 5000, lanes=(0.4, 0.45), score=0.45))
    cloth.add(verdict(1, 5100, style="satin", score=0.3))
    cloth.add(verdict(2, 5200, score=None, result=Result.NOT_INSPECTED, reason=Reason.NO_SCORE))
    assert cloth.told({}, {})["scores"]["points"] == {"left": [0.8, 1.5, None], "right": []}


def test_a_long_roll_has_as_many_points_each_of_more_time() -> None:
    cloth = roll()
    for n in range(POINTS + 1):
        cloth.add(verdict(n, 5000 + 100 * n, score=0.3 if n != 100 else 0.6))
    scores = cloth.told({}, {})["scores"]
    assert scores["point_s"] == 2.0 and len(scores["points"]["left"]) == POINTS // 2 + 1
    assert scores["points"]["left"][50] == 1.0 and scores["points"]["left"][49] == 0.5
