"""What a restarted decision is told of the one before."""

from __future__ import annotations

import pytest

from pipeline.decision.handover import Handover, Heard
from pipeline.messages.cloth import Roll
from pipeline.messages.commands import RollStart
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.states import State


def state(word: State, detail: str = "") -> LineState:
    return LineState(number=0, generation=0, state=word, inspection_ok=False, detail=detail, t_mono_ns=0, t_utc_ns=0)


def roll(roll_id: str, cause: str, generation: int = 0) -> Roll:
    facts = {"number": 0, "style": "s", "start_mm": 5.0, "t_mono_ns": 0, "t_utc_ns": 0}
    return Roll.model_validate({**facts, "roll_id": roll_id, "cause": cause, "generation": generation})


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ([], Handover()),
        ([state(State.FAULT, "disk full")], Handover(fault="disk full")),
        ([state(State.FAULT, "disk full"), state(State.FAULT, "disk full (gone: reset it)")], Handover(fault="disk full")),
        ([state(State.FAULT, "disk full"), state(State.DEGRADED, "reset")], Handover()),
        ([roll("A", "config"), roll("B", "command")], Handover(roll=RollStart(roll_id="B", style="s", at_mm=5.0))),
        ([roll("A", "config"), roll("A", "config", generation=1)], Handover(roll=RollStart(roll_id="A", style="s", at_mm=5.0))),
        ([roll("A", "config", generation=1)], Handover()),
    ],
)
def test_it_is_what_was_published_last(heard: list[Message], kept: Handover) -> None:
    memory = Heard()
    for message in heard:
        memory.hear(message)
    assert memory.handover(bypass=False) == kept
    assert memory.handover(bypass=True) == kept.model_copy(update={"bypass": True})
