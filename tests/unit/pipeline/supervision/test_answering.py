"""Acknowledging and resetting tell what was open, and what was wrong; where there was nothing, that too."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.line import LineConfig
from pipeline.decision.line_state import GONE, UNLIKE
from pipeline.messages.actions import Action
from pipeline.messages.line import LineState
from pipeline.messages.message import Message
from pipeline.messages.states import ActionKind, Cause, Phase, State
from pipeline.supervision.answering import Acknowledged, Cleared, acknowledge, reset
from pipeline.supervision.telling import NotConfirmed
from tests.line_stand_in import FAULT, stand_in

LINE = LineConfig.model_validate({"line": {"name": "l"}})


@pytest.fixture(autouse=True)
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.supervision.telling.ANSWER_S", 1.0)


def seen_to(event: int, kind: ActionKind, phase: Phase = Phase.ACKNOWLEDGED) -> Action:
    return Action(number=event, generation=0, event=event, kind=kind, cause=Cause.DEFECT, phase=phase, t_mono_ns=0)


def test_open_stops_and_lamps_are_counted() -> None:
    told = [seen_to(n, ActionKind.STOP) for n in (3, 5, 3)] + [seen_to(4, ActionKind.LAMP)]
    told += [seen_to(6, ActionKind.STOP, Phase.NOW), seen_to(7, ActionKind.LAMP, Phase.LET_BY)]
    with stand_in("l", State.RUNNING, lambda m: {"unacknowledged": ()}, lambda m: told, unacknowledged=("STOP", "LAMP")):
        assert acknowledge(LINE) == Acknowledged(stops=2, lamps=1)


def test_nothing_was_open() -> None:
    with stand_in("l", State.RUNNING, lambda m: {}):
        assert acknowledge(LINE) == Acknowledged(0, 0)


@pytest.mark.parametrize(
    ("state", "detail", "after", "cleared"),
    [
        (State.FAULT, FAULT + GONE, {"state": State.DEGRADED}, Cleared(FAULT, "")),
        (State.RUNNING, "", {}, Cleared("", "")),
        (State.DEGRADED, "plc: not connected yet", {}, Cleared("", "")),
    ],
)
def test_a_reset_tells_what_it_cleared(state: State, detail: str, after: dict[str, object], cleared: Cleared) -> None:
    with stand_in("l", state, lambda m: after, detail=detail):
        assert reset(LINE) == cleared


def test_a_roll_called_of_another_style_is_accepted() -> None:
    unlike = f"{UNLIKE}: camera a: darker by 30"

    def relieved(message: Message) -> list[Message]:
        return [LineState(**common, state=State.RUNNING, inspection_ok=True)]

    common = {"number": 1, "generation": 0, "t_mono_ns": 0, "t_utc_ns": 0}
    with stand_in("l", State.DEGRADED, lambda m: {"state": State.RUNNING}, relieved, detail=unlike):
        assert reset(LINE) == Cleared("", unlike)
    with stand_in("l", State.DEGRADED, lambda m: None, detail=unlike), pytest.raises(NotConfirmed, match="darker by 30"):
        reset(LINE)


def test_a_fault_that_persists_is_not_confirmed() -> None:
    with stand_in("l", State.FAULT, lambda m: None), pytest.raises(NotConfirmed, match=f"after 1 s it is FAULT: {FAULT}"):
        reset(LINE)
    with stand_in("l", State.FAULT, lambda m: FAULT), pytest.raises(NotConfirmed, match=f"^refused: {FAULT}$"):
        reset(LINE)


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Acknowledged(2, 1), "2 stops and 1 lamp acknowledged"),
        (Acknowledged(0, 3), "3 lamps acknowledged"),
        (Acknowledged(0, 0), "nothing to acknowledge: no stop or lamp is open"),
        (Cleared(FAULT, ""), f"FAULT reset: {FAULT}"),
        (Cleared("", f"{UNLIKE}: a: darker by 30"), f"roll accepted though {UNLIKE}: a: darker by 30"),
        (Cleared("", ""), "nothing to reset: no fault is latched"),
    ],
)
def test_a_person_reads_what_was_done(done: Acknowledged | Cleared, words: str) -> None:
    assert str(done) == words
