"""The pictures show each defect, gap and state at its place, and stay small."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pipeline.messages.line import LineState
from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result, State
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report import roll_map
from pipeline.report.pictures import timeline
from pipeline.report.roll import find_defects
from pipeline.report.roll_map import ROWS, RollMap


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


def draw(messages: list[Verdict], in_mm: bool = True, along: tuple[float, float] = (0, 720)) -> str:
    roll = RollMap(along, in_mm, {"left": (0.5, 10.0)})
    for message in messages:
        roll.add(message)
    return roll.svg(list(enumerate(find_defects(messages), 1)), None)


def spans(ax: Axes, label: str) -> list[tuple[float, float]]:
    """From and to along the cloth of the rectangles of the first kind so named, m."""
    colour = next(p.get_facecolor() for p in ax.patches if p.get_label() == label)
    found = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_facecolor() == colour]
    return [(round(p.get_y(), 6), round(p.get_y() + p.get_height(), 6)) for p in found]


def test_a_mark_lies_at_its_place_and_leads_to_its_card(axes: list[Axes]) -> None:
    text = draw([defect(3, 360, 135)])
    (marks,) = axes[0].collections
    assert marks.get_offsets().tolist() == [pytest.approx([139, 0.364])]
    assert "#defect-1" in text and axes[0].get_ylim() == (0.72, 0)
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_gaps_are_drawn_with_their_reason_and_never_painted_over(axes: list[Axes]) -> None:
    draw([verdict(0), gap(1, Reason.DAMAGED), verdict(1, start_mm=90.0, end_mm=300.0)])
    assert spans(axes[0], "inspected") == [(0, 0.1), (0.2, 0.3)]
    assert spans(axes[0], "not inspected: DAMAGED") == [(0.1, 0.2)]


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
    assert axes[0].collections[0].get_offsets().tolist() == [pytest.approx([0.05, 1.5])]


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
