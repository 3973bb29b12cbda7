"""Acknowledging and resetting tell what was open, and what was wrong; where there was nothing, that too."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.line import LineConfig
from pipeline.decision.line_state import GONE, UNLIKE
from pipeline.messages.actions import Action
from pipeline.messages.line import LineState
from pipeline.messages.states import ActionKind, Cause, Phase, State
from pipeline.supervision.answering import Acknowledged, Cleared, acknowledge, reset
from pipeline.supervision.telling import NotConfirmed
from tests.line_stand_in import FAULT, stand_in

LINE = LineConfig.model_validate(
    {"line": {"name": "l"}, "cameras": [{"name": name, "source": "replay", "path": "."} for name in "ab"]}
)


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


UNLIKE_A = f"{UNLIKE}: a: darker by 30"


@pytest.mark.parametrize(
    ("before", "after", "cleared"),
    [
        ((State.FAULT, FAULT + GONE), (State.DEGRADED, ""), Cleared(FAULT, "", "DEGRADED")),
        ((State.FAULT, FAULT + GONE), (State.DEGRADED, UNLIKE_A), Cleared(FAULT, "", f"DEGRADED: {UNLIKE_A}")),
        ((State.RUNNING, ""), None, Cleared("", "", "RUNNING")),
        ((State.DEGRADED, "plc: not connected yet"), None, Cleared("", "", "DEGRADED: plc: not connected yet")),
        ((State.DEGRADED, UNLIKE_A), (State.RUNNING, ""), Cleared("", UNLIKE_A, "RUNNING")),
        (
            (State.DEGRADED, f"{UNLIKE_A}; b: brighter by 9; plc: lost"), (State.DEGRADED, "plc: lost"),
            Cleared("", f"{UNLIKE_A}; b: brighter by 9", "DEGRADED: plc: lost"),
        ),
        ((State.DEGRADED, f"{UNLIKE_A}; plc: lost"), (State.RUNNING, ""), Cleared("", UNLIKE_A, "RUNNING")),
        (
            (State.BYPASS, f"{UNLIKE_A}; rejects are inhibited"), (State.BYPASS, "rejects are inhibited"),
            Cleared("", UNLIKE_A, "BYPASS: rejects are inhibited"),
        ),
    ],
)  # fmt: skip
def test_a_reset_tells_what_it_cleared_and_how_the_line_is_then(
    before: tuple[State, str], after: tuple[State, str] | None, cleared: Cleared
) -> None:
    common = {"number": 1, "generation": 0, "t_mono_ns": 0, "t_utc_ns": 0, "inspection_ok": False}
    made = [LineState(**common, state=after[0], detail=after[1])] if after else []
    beat = {"state": after[0]} if after else {}
    with stand_in("l", before[0], lambda m: beat, lambda m: made, detail=before[1]):
        assert reset(LINE) == cleared


def test_a_roll_that_stays_unlike_is_not_called_accepted() -> None:
    with stand_in("l", State.DEGRADED, lambda m: None, detail=UNLIKE_A), pytest.raises(NotConfirmed, match="darker by 30"):
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
        (Cleared("", ""), "nothing to reset: no fault is latched, and no roll is called other cloth"),
        (
            Cleared("", "", "DEGRADED: plc: lost"),
            "nothing to reset: no fault is latched, and no roll is called other cloth; the line is DEGRADED: plc: lost",
        ),
    ],
)
def test_a_person_reads_what_was_done(done: Acknowledged | Cleared, words: str) -> None:
    assert str(done) == words
