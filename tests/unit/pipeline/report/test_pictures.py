"""The pictures show each defect, gap and state at its place, and stay small."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pipeline.messages.line import LineState
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report import Comparison, Injected, compare, roll_map
from pipeline.report.pictures import timeline
from pipeline.report.roll import find_defects
from pipeline.report.roll_map import RollMap
from pipeline.report.strips import ROWS


def verdict(number: int, **changes: Any) -> Verdict:
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": "left", "boot_id": "b", "seq": number, "result": Result.PASS,
        "start_mm": 100.0 * number, "end_mm": 100.0 * number + 100, "frame_shape": (64, 500), "t_mono_ns": number,
        "t_utc_ns": number, **changes,
    })  # fmt: skip


def gap(number: int, reason: Reason) -> Verdict:
    return verdict(number, result=Result.NOT_INSPECTED, reason=reason)


def defect(number: int, y0: float, x0: float, **changes: Any) -> Verdict:
    place = Region(x0_px=0, y0_px=0, x1_px=80, y1_px=80, score=0.9, x0_mm=x0, x1_mm=x0 + 8, y0_mm=y0, y1_mm=y0 + 8)
    return verdict(number, **{"result": Result.DEFECT, "regions": (place,), **changes})


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """The axes of every map drawn in a test."""
    seen: list[Axes] = []
    svg = roll_map.svg
    monkeypatch.setattr(roll_map, "svg", lambda figure, label: seen.extend(figure.axes) or svg(figure, label))
    return seen


def draw(
    messages: list[Verdict],
    in_mm: bool = True,
    along: tuple[float, float] = (0, 720),
    scales: dict[str, tuple[float | None, float]] | None = None,
    comparison: Comparison | None = None,
) -> str:
    roll = RollMap(along, in_mm, scales or {"left": (0.5, 10.0)})
    for message in messages:
        roll.add(message)
    return roll.svg(list(enumerate(find_defects(messages), 1)), comparison)


def spans(ax: Axes, label: str) -> list[tuple[float, float]]:
    """From and to along the cloth of the rectangles of the first kind so named, m."""
    colour = next(p.get_facecolor() for p in ax.patches if p.get_label() == label)
    found = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_facecolor() == colour]
    return [(round(p.get_y(), 6), round(p.get_y() + p.get_height(), 6)) for p in found]


def test_a_mark_lies_at_its_place_and_leads_to_its_card(axes: list[Axes]) -> None:
    text = draw([defect(3, 360, 135)])
    (marks,) = axes[0].collections
    assert np.asarray(marks.get_offsets()).tolist() == [pytest.approx([139, 0.364])]
    assert "#defect-1" in text and axes[0].get_ylim() == (0.72, 0)
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_gaps_are_drawn_with_their_reason_and_never_painted_over(axes: list[Axes]) -> None:
    draw([verdict(0), gap(1, Reason.DAMAGED), verdict(1, start_mm=90.0, end_mm=300.0)])
    assert spans(axes[0], "inspected") == [(0, 0.1), (0.2, 0.3)]
    assert spans(axes[0], "not inspected: DAMAGED") == [(0.1, 0.2)]


def test_the_axis_is_the_cloth_of_all_cameras_also_without_a_defect(axes: list[Axes]) -> None:
    scales: dict[str, tuple[float | None, float]] = {"right": (0.25, 200.0), "left": (0.5, 10.0), "never": (0.5, 330.0)}
    draw([verdict(0), verdict(1, camera="right"), gap(2, Reason.CAMERA_DOWN)], scales=scales)
    assert axes[0].get_xlim() == (10, 580) and axes[0].get_xlabel() == "mm across the cloth"
    names = {t.get_text(): t.xy for t in axes[0].texts}  # type: ignore[attr-defined]  # annotations
    assert names == {"left": (135, 0), "right": (262.5, 0), "never": (455, 0)}
    draw([defect(3, 360, 135)])
    assert axes[1].get_xlim() == (10, 260)


def test_a_camera_without_a_scale_puts_all_side_by_side(axes: list[Axes]) -> None:
    draw([verdict(0), verdict(1, camera="right")], scales={"left": (0.5, 10.0), "right": (None, 0.0)})
    assert axes[0].get_xlim() == (0, 2.1) and axes[0].get_xlabel() == "cameras side by side, no scale known"


def test_a_later_roll_counts_from_its_own_beginning(axes: list[Axes]) -> None:
    truth = Injected(camera="left", kind="hole", y0_mm=5350, y1_mm=5370, x0_mm=30, x1_mm=40)
    messages = [defect(53, 5360, 135), gap(51, Reason.DAMAGED)]
    draw(messages, along=(5000, 5720), comparison=compare(find_defects(messages), [truth], 1.0))
    known, marks = axes[0].collections
    assert np.asarray(marks.get_offsets()).tolist() == [pytest.approx([139, 0.364])]
    assert np.asarray(known.get_offsets()).tolist() == [pytest.approx([35, 0.36])]
    assert spans(axes[0], "not inspected: DAMAGED") == [(0.1, 0.2)] and axes[0].get_ylim() == (0.72, 0)


def test_every_reason_has_a_hatch_of_its_own(axes: list[Axes]) -> None:
    reasons = list(Reason)
    draw([gap(n, reason) for n, reason in enumerate(reasons)], along=(0, 100 * len(reasons)))
    # As they look: an x is both diagonals, a + both straight lines.
    shown = [p.get_hatch() for p in axes[0].patches if str(p.get_label()).startswith("not inspected")]
    hatches = [frozenset((h or "").replace("x", "/\\").replace("+", "-|")) for h in shown]
    assert len(set(hatches)) == len(hatches) == len(reasons) and all(hatches)


def test_known_defects_that_nobody_saw_are_told_from_those_missed(axes: list[Axes]) -> None:
    at = {"found": 360, "missed": 60, "not inspected": 160}
    places = (*at.values(), 900)  # the last is on the next roll
    truth = [Injected(camera="left", kind="hole", y0_mm=y, y1_mm=y + 8, x0_mm=135, x1_mm=143) for y in places]
    messages = [verdict(0), gap(1, Reason.DAMAGED), defect(3, 360, 135)]
    rows = [("left", "", v.start_mm or 0.0, v.end_mm or 0.0, str(v.result), v.reason) for v in messages]
    draw(messages, comparison=compare(find_defects(messages), truth, 1.0, rows))
    drawn = {str(c.get_label()): [y for _, y in np.asarray(c.get_offsets()).tolist()] for c in axes[0].collections}
    for fate, y in at.items():
        assert drawn[f"known defect, {fate}"] == [pytest.approx((y + 4) / 1000)]


def test_a_short_gap_on_a_long_roll_is_still_seen_and_the_drawing_stays_small(axes: list[Axes]) -> None:
    messages = [verdict(n) for n in range(5000)]
    messages[2500] = gap(2500, Reason.NO_SCORE)
    text = draw(messages, along=(0, 500_000))
    ((top, bottom),) = spans(axes[0], "not inspected: NO_SCORE")
    assert bottom - top == pytest.approx(500 / ROWS) and top <= 250.05 <= bottom
    assert len(text) < 40_000


def test_without_a_scale_the_map_counts_frames(axes: list[Axes]) -> None:
    bare: dict[str, Any] = {"start_mm": None, "end_mm": None}
    place = Region(x0_px=0, y0_px=0, x1_px=50, y1_px=8, score=0.9)
    draw([verdict(0, **bare), defect(1, 0, 0, regions=(place,), **bare)], False, (0, 2))
    assert spans(axes[0], "inspected") == [(0, 2)]
    assert np.asarray(axes[0].collections[0].get_offsets()).tolist() == [pytest.approx([0.05, 1.5])]


def test_a_picture_is_the_same_for_the_same_content() -> None:
    assert draw([defect(3, 360, 135)]) == draw([defect(3, 360, 135)])


def test_the_timeline_names_each_state() -> None:
    kinds = (State.READY, State.RUNNING, State.FAULT)
    states = [
        LineState(number=i, generation=0, state=s, inspection_ok=s is State.RUNNING, t_mono_ns=0, t_utc_ns=i * 10**9)
        for i, s in enumerate(kinds)
    ]
    text = timeline(states, 4 * 10**9)
    assert all(f">{s}<" in text for s in kinds) and "00:00:00 UTC" in text
    assert timeline([], 5) == ""
