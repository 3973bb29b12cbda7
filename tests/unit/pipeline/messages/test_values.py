"""Values that travel flat in messages: the same names, the same types, and what goes in comes out."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import pytest

from pipeline.messages.frames import Announced, Frame, ScoreMap
from pipeline.messages.message import Message
from pipeline.messages.states import EventAction, EventKind, FrameStatus, Result
from pipeline.messages.values import Grounds, Measures, Place, Source, Span, Value
from pipeline.messages.verdicts import Verdict

FRAME = Frame(
    camera="left", boot_id="b", seq=3, t_mono_ns=1, t_utc_ns=2, start_mm=4.0, end_mm=5.5, origin="3.png", style="satin",
    status=FrameStatus.LAMP, block_id=4, encoder_count=9, mm_per_px_x=0.25, mm_per_px_y=0.5, x_offset_mm=7.0, budget_ms=100.0,
    shape=(8, 16), pixel_format="Mono8", inspect_x_px=(0, 16), cloth_x_px=(1, 15),
)  # fmt: skip
VALUES: list[Value] = [
    Source("left", 2, "b", 3, "3.png"),
    Span(4.0, 5.5),
    Place("R-1", "satin", EventKind.SEAM, EventAction.RECORD, rescan=True),
    Measures((1.0, 2.0), 127.0, 3.5, 1.25),
    Grounds(0.5, (0.5, 0.25), 2, "w", "e", (0, 16), (8, 16), (1, 2), 9),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_a_verdict_carries_each_value_under_its_own_names_and_types(value: Value) -> None:
    told = get_type_hints(Verdict)
    assert {n: told[n] for n in get_type_hints(type(value))} == get_type_hints(type(value))


def test_what_goes_into_a_verdict_comes_out() -> None:
    facts = {k: v for value in VALUES for k, v in vars(value).items()}
    verdict = Verdict(number=0, generation=0, result=Result.PASS, t_mono_ns=9, **facts)
    assert [verdict.part(type(value)) for value in VALUES] == VALUES
    assert verdict.span == Span(4.0, 5.5)


@pytest.mark.parametrize("kind", [Span, Measures, Grounds])
def test_a_value_that_nobody_stated_is_the_one_of_a_message_that_does_not_tell_it(kind: type[Value]) -> None:
    bare = Verdict(
        number=0, generation=0, camera="left", boot_id="", seq=None, result=Result.NOT_INSPECTED, t_mono_ns=0, t_utc_ns=0
    )  # fmt: skip
    assert bare.part(kind) == kind()


CARRIED = [(Source, Announced), (Span, Announced), (Measures, Announced), (Grounds, ScoreMap)]


@pytest.mark.parametrize(("kind", "message"), CARRIED)
def test_other_messages_have_the_fields_of_theirs(kind: type[Value], message: type[Message]) -> None:
    assert {f.name for f in fields(kind)} <= set(message.model_fields)


def test_an_announcement_hands_on_all_that_it_has_in_common_with_its_frame() -> None:
    told = Announced.of(FRAME, Measures((1.0, 2.0), 127.0, 3.5, 1.25), sent=False, lost=2, error="dark")
    assert told == Announced(
        camera="left", boot_id="b", seq=3, t_mono_ns=1, t_utc_ns=2, start_mm=4.0, end_mm=5.5, origin="3.png", style="satin",
        status=FrameStatus.LAMP, mm_per_px_x=0.25, mm_per_px_y=0.5, x_offset_mm=7.0, budget_ms=100.0,
        cloth_x_mm=(1.0, 2.0), level=127.0, texture=3.5, lamp_gain=1.25, sent=False, lost=2, error="dark",
    )  # fmt: skip
