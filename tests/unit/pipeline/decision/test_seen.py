"""What a camera has judged of the cloth, and what of it is new when it comes again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.seen import KEEP_MM, NEW_SHARE, Seen
from pipeline.messages.frames import Announced
from pipeline.messages.states import FrameStatus
from pipeline.messages.values import Span


def frame(start_mm: float | None, end_mm: float | None, status: FrameStatus = FrameStatus.OK) -> Announced:
    facts = {"camera": "c", "boot_id": "b", "seq": 0, "t_mono_ns": 0, "t_utc_ns": 0, "sent": True, "budget_ms": None}
    return Announced.model_validate({**facts, "start_mm": start_mm, "end_mm": end_mm, "status": status})


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=15), st.integers(0, 80), st.integers(1, 30))
def test_a_frame_is_seen_again_where_every_one_of_its_millimetres_was_judged(
    spans: list[tuple[int, int]], start: int, length: int
) -> None:
    seen, judged = Seen(), set[int]()
    for first, width in spans:
        seen.judged(Span(first, first + width))
        judged |= set(range(first, first + width))
    new = set(range(start, start + length)) - judged
    assert seen.again(frame(start, start + length)) == (len(new) <= NEW_SHARE * length)


@pytest.mark.parametrize(
    ("start_mm", "end_mm", "status", "again"),
    [
        (0.0, 50.0, FrameStatus.OK, True),
        (50.5, 100.5, FrameStatus.OK, True),  # so little is new
        (60.0, 110.0, FrameStatus.OK, False),
        (99.9995, 100.0, FrameStatus.OK, True),  # a frame may be as small
        (100.0, 100.001, FrameStatus.OK, False),
        (0.0, 50.0, FrameStatus.DAMAGED, False),
        (None, None, FrameStatus.OK, False),
    ],
)
def test_what_counts_as_seen(start_mm: float | None, end_mm: float | None, status: FrameStatus, again: bool) -> None:
    seen = Seen()
    seen.judged(Span(0.0, 100.0))
    assert seen.again(frame(start_mm, end_mm, status)) == again


def test_it_remembers_the_last_metres_and_takes_what_lies_before_for_judged() -> None:
    seen = Seen(mark_mm=1000.0)
    assert seen.again(frame(100.0, 150.0)) and not seen.again(frame(990.0, 1040.0))
    for start_mm in range(2000, 30_000, 100):  # every second 50 mm are lost
        seen.judged(Span(float(start_mm), start_mm + 50.0))
    lost_mm = 29_850.0 - KEEP_MM
    assert seen.again(frame(lost_mm - 100, lost_mm - 50)) and not seen.again(frame(lost_mm + 200, lost_mm + 250))
    assert len(list(seen._judged)) <= KEEP_MM / 100 + 1
