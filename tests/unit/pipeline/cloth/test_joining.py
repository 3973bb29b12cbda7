"""One place on the cloth is one defect, whatever tiles, slabs and cameras saw of it; memory does not grow with the roll."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cloth.joining import GAP_CELLS, LAG_MM, Box, Joiner
from pipeline.cloth.repeats import find_repeats
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report.roll import find_defects

PX_MM = 0.2
CELL_MM = 8 * PX_MM
SLAB_MM, OVERLAP_MM = 51.2, 6.4


def region(y0: float, y1: float, x0: float = 100.0, x1: float = 110.0, score: float = 0.9, **facts: Any) -> Region:
    def px(mm: float) -> int:
        return round(mm / PX_MM)

    return Region(
        x0_px=px(x0), x1_px=px(x1), y0_px=0, y1_px=px(y1 - y0), score=score, x0_mm=x0, x1_mm=x1, y0_mm=y0, y1_mm=y1, **facts
    )


def verdict(number: int, *regions: Region, end_mm: float | None = None, **changes: Any) -> Verdict:
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "regions": regions,
        "result": Result.DEFECT if regions else Result.PASS, "end_mm": end_mm, "t_mono_ns": 0, "t_utc_ns": 0, **changes,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "sightings"),
    [
        ([verdict(0, region(0, 10)), verdict(1, region(10, 20))], [2]),  # meet at the seam
        ([verdict(0, region(0, 10)), verdict(1, region(8, 20))], [2]),  # seen twice in the overlap
        ([verdict(0, region(0, 10)), verdict(1, region(12, 20))], [2]),  # a cell between them fell under the threshold
        ([verdict(0, region(0, 10), region(12, 20))], [2]),  # in one frame, too
        ([verdict(0, region(0, 10), region(12, 20), cell_px=4)], [2]),  # as far where cells are fine
        ([verdict(0, region(0, 10), region(14, 20), cell_px=4)], [1, 1]),
        ([verdict(0, region(0, 10), region(14, 20), cell_px=16)], [2]),  # further where they are coarse
        ([verdict(0, region(0, 99)), verdict(1, region(101, 110))], [2]),  # either side of where a row of boxes ends
        ([verdict(0, region(201, 210)), verdict(1, region(150, 199))], [2]),  # the other way round, as the cloth runs back
        ([verdict(0, region(-110, -101)), verdict(1, region(-99, -90))], [2]),
        ([verdict(0, region(0, 10)), verdict(1, region(18, 20))], [1, 1]),  # apart along the cloth
        ([verdict(0, region(0, 10)), verdict(1, region(10, 20, 120, 130))], [1, 1]),  # apart across it
        ([verdict(0, region(0, 10)), verdict(1, region(5, 20), camera="right")], [2]),  # two cameras see one defect
        ([verdict(0, region(0, 10)), verdict(1, region(5, 20), roll_id="2")], [1, 1]),  # another roll
        ([verdict(0, region(0, 10, 100, 105), region(0, 10, 120, 125)), verdict(1, region(10, 20, 100, 125))], [3]),
        ([verdict(i, region(10 * i, 10 * i + 10)) for i in range(5)], [5]),  # a long one
        ([verdict(1, region(10, 20)), verdict(0, region(0, 10))], [2]),  # any order
        ([verdict(0), verdict(1)], []),
    ],
)  # fmt: skip
def test_what_touches_is_one(verdicts: list[Verdict], sightings: list[int]) -> None:
    assert sorted(d.sightings for d in find_defects(verdicts)) == sorted(sightings)


def test_a_u_shape_is_one_defect_and_keeps_its_first_number() -> None:
    joiner = Joiner()
    legs = joiner.add(verdict(0, region(0, 50, 0, 5, score=0.7), region(0, 50, 40, 45, score=0.8), end_mm=50))[0]
    assert [d.number for d in legs] == [0, 1]
    touched, _ = joiner.add(verdict(1, region(50, 60, 0, 45), end_mm=100))
    assert touched == [legs[0]] and legs[1].joined_to is legs[0]
    (defect,) = joiner.flush()
    assert (defect.seen_mm, defect.sightings, defect.frames) == ((0, 60, 0, 45), 3, 2)
    assert defect.strongest.region.score == 0.9


@pytest.mark.parametrize("scores", [(0.95, 0.7, 0.8), (0.7, 0.95, 0.8), (0.7, 0.8, 0.95)])
def test_the_strongest_sighting_and_the_first_number_stay_whichever_comes_last(scores: tuple[float, ...]) -> None:
    first, second, bridge = scores
    joiner = Joiner()
    joiner.add(verdict(0, region(0, 20, 400, 405), end_mm=20))
    joiner.add(verdict(1, region(0, 50, 0, 5, score=first), end_mm=50))
    joiner.add(verdict(2, region(0, 50, 40, 45, score=second), end_mm=50))
    ((joined,), _) = joiner.add(verdict(3, region(50, 60, 0, 45, score=bridge), end_mm=60))
    assert joined.number == 1 and joined.key == (0, 1 + scores.index(0.95), 0)
    assert [d.number for d in joiner.flush()] == [0, 1]


def test_the_size_is_that_of_the_measured_extents() -> None:
    spot = region(20, 36, 100, 101.6, cells=10).model_copy(update={"extent_px": (499.0, 6.0, 508.0, 74.0)})
    (defect,) = find_defects([verdict(0, spot)])
    assert defect.seen_mm == (20, 36, 100, 101.6)
    assert defect.box_mm == pytest.approx((21.2, 34.8, 99.8, 101.6))
    assert defect.size_mm == pytest.approx((13.6, 1.8))
    assert defect.area_mm2 == pytest.approx(16 * 1.6 * (13.6 * 1.8) / (16 * 1.6))
    rest = region(36, 40, 100, 110).model_copy(update={"extent_px": (500.0, 0.0, 545.0, 15.0)})
    (joined,) = find_defects([verdict(0, spot), verdict(1, rest)])
    assert joined.box_mm == pytest.approx((21.2, 39, 99.8, 109))
    (coarse,) = find_defects([verdict(0, region(20, 36))])
    assert coarse.box_mm == coarse.seen_mm, "a record without extents has its cells"


def test_an_area_seen_twice_counts_once() -> None:
    two = [verdict(0, region(0, 16, 100, 116, cells=50)), verdict(1, region(8, 24, 100, 116, cells=50))]
    (defect,) = find_defects(two)
    assert defect.area_mm2 == pytest.approx(1.5 * 50 * CELL_MM**2)


def test_without_a_scale_each_region_stands_for_itself() -> None:
    bare = Region(x0_px=0, y0_px=0, x1_px=8, y1_px=8, score=0.9)
    found = find_defects([verdict(3, bare, bare), verdict(1, bare)])
    assert [d.strongest.verdict.number for d in found] == [3, 3, 1]
    assert [(d.box_mm, d.size_mm, d.area_mm2) for d in found] == [(None, None, None)] * 3


def test_a_streak_of_five_kilometres_is_one_defect_in_flat_memory() -> None:
    joiner, held, closed = Joiner(), [], []
    for n in range(10_000):
        start = n * 500.0
        spots = (region(start, start + 500, 10, 12), region(start + 20, start + 24, 500, 504))
        closed += joiner.add(verdict(n, *spots, end_mm=start + 500))[1]
        held.append(joiner.held)
    closed += joiner.flush()
    assert max(held) == max(held[:50]) < 10 * LAG_MM / 100
    assert sorted(d.sightings for d in closed)[-2:] == [1, 10_000]
    assert len(closed) == 10_001
    assert max(d.seen_mm[1] - d.seen_mm[0] for d in closed if d.seen_mm) == pytest.approx(5e6)


def test_a_roll_is_closed_by_the_next_and_silent_spans_belong_to_the_one_that_runs() -> None:
    joiner = Joiner()
    joiner.add(verdict(0, region(0, 10), end_mm=50, roll_id="a"))
    silent: dict[str, Any] = {"seq": None, "result": Result.NOT_INSPECTED, "reason": "NO_FRAME"}
    assert joiner.add(verdict(1, end_mm=4000, **silent))[1] == []
    assert joiner.add(verdict(2, region(0, 10), end_mm=50, roll_id="b"))[1] == []
    closed = joiner.add(verdict(3, end_mm=60 + LAG_MM, roll_id="b"))[1]
    assert [d.roll_id for d in closed] == ["a", "b"]


def test_a_roll_that_ends_far_along_is_open_until_the_next_has_run_as_far_as_verdicts_come_late() -> None:
    joiner = Joiner()
    start = 80_000.0
    joiner.add(verdict(0, region(start, start + 10), end_mm=start + 50, roll_id="a"))
    for number, further in enumerate((50.0, LAG_MM - 50.0, LAG_MM), 1):
        assert joiner.add(verdict(number, end_mm=start + 50 + further, roll_id="b"))[1] == []
    late = verdict(4, region(start + 10, start + 30), end_mm=start + 50, roll_id="a")  # another camera comes later
    ((same,), _) = joiner.add(late)
    assert same.sightings == 2
    closed = joiner.add(verdict(5, end_mm=start + 250 + LAG_MM, roll_id="b"))[1]
    assert [(d.roll_id, d.sightings) for d in closed] == [("a", 2)] and joiner.flush() == []


def seen(box: Box, start: float, x_from: float, x_to: float, off: tuple[float, float]) -> Region | None:
    """What a camera reports of a defect in one slab: the cells that it touches, on that camera's own grid, a little off."""
    y0, y1 = max(box[0] + off[0], start), min(box[1] + off[0], start + SLAB_MM + OVERLAP_MM)
    x0, x1 = max(box[2] + off[1], x_from), min(box[3] + off[1], x_to)
    if y0 >= y1 or x0 >= x1:
        return None

    def grid(mm: float, origin: float, up: bool) -> float:
        return origin + CELL_MM * float((np.ceil if up else np.floor)((mm - origin) / CELL_MM))

    return region(grid(y0, start, False), grid(y1, start, True), grid(x0, x_from, False), grid(x1, x_from, True))


@pytest.mark.parametrize("seed", range(3))
def test_none_of_a_thousand_across_seams_is_counted_twice(seed: int) -> None:
    """Slabs overlap, two cameras overlap and disagree by up to 0.8 mm; a third of the defects lie on the cameras' seam."""
    rng = random.Random(seed)
    boxes: list[Box] = []
    at = 20.0
    for n in range(1000):
        long, wide = rng.choice([(1, 1), (3, 8), (60, 2), (2, 90), (400, 1.5), (12, 12)])
        x = rng.uniform(395, 405) - wide / 2 if n % 3 == 0 else rng.uniform(5, 800 - 5 - wide)
        boxes.append((at, at + long, x, x + wide))
        at += long + GAP_CELLS * CELL_MM + 4 * CELL_MM + rng.uniform(0, 60)
    eyes = {"left": (0.0, 410.0, (0.0, 0.0)), "right": (390.0, 800.0, (rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)))}
    verdicts: list[Verdict] = []
    for slab in range(int(at / SLAB_MM) + 1):
        start = slab * SLAB_MM - OVERLAP_MM
        near = [b for b in boxes if b[1] > start - 2 and b[0] < start + SLAB_MM + OVERLAP_MM + 2]
        for camera, (x_from, x_to, off) in eyes.items():
            spots = [r for b in near if (r := seen(b, start, x_from, x_to, off))]
            verdicts.append(verdict(len(verdicts), *spots, camera=camera, end_mm=start + SLAB_MM + OVERLAP_MM))
    found = find_defects(verdicts)
    assert len(found) == 1000
    errors = [abs((d[0] + d[1]) - (b[0] + b[1])) / 2 for d, b in zip((f.box_mm for f in found), boxes, strict=True) if d]
    assert max(errors) <= CELL_MM + 0.8


def test_a_repeating_defect_is_named_with_its_period() -> None:
    rng = random.Random(1)
    every = [(1000 + 314.0 * n + rng.uniform(-2, 2), 200.0) for n in range(20) if n not in (4, 11)]
    others = [(rng.uniform(0, 8000), 200.0 + rng.uniform(-3, 3)) for _ in range(5)] + [
        (500.0 * n, 600.0 + 20 * n) for n in range(9)
    ]
    spots = sorted(every + others)
    found = find_defects([verdict(n, region(y, y + 4, x, x + 4)) for n, (y, x) in enumerate(spots)])
    (repeat,) = find_repeats(found)
    assert (repeat.name, len(repeat.members)) == ("R1", 18)
    assert repeat.period_mm == pytest.approx(314, abs=0.5)
    assert repeat.x_mm == pytest.approx(202, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_chance_is_no_repeat(seed: int) -> None:
    rng = random.Random(seed)
    spots = sorted((rng.uniform(0, 100_000), 200.0) for _ in range(40))
    assert find_repeats(find_defects([verdict(n, region(y, y + 4, x, x + 4)) for n, (y, x) in enumerate(spots)])) == []


BOXES = st.lists(st.tuples(st.floats(0, 900), st.floats(0.2, 120), st.floats(0, 200), st.floats(0.2, 60)), max_size=25)


def grouped(boxes: list[Box]) -> list[list[int]]:
    """The plain way: every pair is compared, until nothing changes."""
    gap = GAP_CELLS * CELL_MM
    group = list(range(len(boxes)))
    for _ in boxes:
        for i, a in enumerate(boxes):
            for j, b in enumerate(boxes):
                if a[0] - gap <= b[1] and b[0] - gap <= a[1] and a[2] - gap <= b[3] and b[2] - gap <= a[3]:
                    group[i] = group[j] = min(group[i], group[j])
    return sorted(sorted(i for i, g in enumerate(group) if g == name) for name in set(group))


@given(BOXES)
@settings(max_examples=60, deadline=None)
def test_joining_agrees_with_comparing_every_pair(places: list[tuple[float, float, float, float]]) -> None:
    def rounded(mm: float) -> float:
        return round(mm / PX_MM) * PX_MM

    boxes = [(rounded(y), rounded(y) + rounded(h), rounded(x), rounded(x) + rounded(w)) for y, h, x, w in places]
    joiner = Joiner()
    owners = [joiner.add(verdict(n, region(*box)))[0][0] for n, box in enumerate(boxes)]
    for i, owner in enumerate(owners):
        while owner.joined_to is not None:
            owner = owner.joined_to
        owners[i] = owner
    found = sorted(sorted(i for i, o in enumerate(owners) if o is name) for name in set(owners))
    assert found == grouped(boxes)
    assert sorted(d.sightings for d in joiner.flush()) == sorted(map(len, found))


def test_cloth_seen_again_and_seams_that_are_not_graded_are_left_out() -> None:
    again = verdict(1, region(0, 10), rescan=True)
    seam = verdict(2, region(50, 60), event="SEAM", action="record")
    graded = verdict(3, region(90, 99), event="WRINKLE", action="grade")
    assert [d.strongest.verdict.number for d in find_defects([verdict(0, region(0, 10)), again, seam, graded])] == [0, 3]


def test_a_defect_placed_where_no_cloth_is_does_not_hold_all_that_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cloth.joining.MAX_HELD", 300)
    joiner, closed = Joiner(), 0
    joiner.add(verdict(0, region(1e12, 1e12 + 5), end_mm=1e12 + 50))
    for n in range(1, 1000):
        closed += len(joiner.add(verdict(n, region(200 * n, 200 * n + 5), end_mm=200 * n + 50))[1])
        assert joiner.held < 900
    assert closed > 600
