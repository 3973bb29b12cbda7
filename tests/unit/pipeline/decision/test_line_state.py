"""What blinds the line lets no cloth pass; what only impairs it is shown, and cloth that is judged passes."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.decision.line_state import Roster, line_state
from pipeline.messages.commands import Reset
from pipeline.messages.line import Heartbeat, LineState
from pipeline.messages.reasons import Reason
from pipeline.messages.stages import Status
from pipeline.messages.states import MotionState, Result, StageState, State
from pipeline.messages.verdicts import Verdict
from tests.decision_bench import MS, Bench, outcome

WIRES = (("output", "plc"), ("output", "board"), ("input", "contacts"))
STAGES = (("worker", "worker"), ("recorder", "recorder"), ("motion", "motion"), ("grabber", "a"), ("grabber", "b"), *WIRES)


def status(role: str, name: str, state: StageState = StageState.READY, detail: str = "") -> Status:
    return Status(role=role, name=name, generation=0, state=state, detail=detail)


def well() -> Roster:
    """A line of two cameras, a PLC that acts on rejects, a board that only shows, and contacts; all are there."""
    roster = Roster(("a", "b"), WIRES, ("plc",))
    for role, name in STAGES:
        roster.hear(status(role, name))
    return roster


FACTS: dict[str, Any] = {
    "motion": MotionState.MOVING, "frames": 9, "gap_open": False, "every_camera_judged": True, "bypass": False, "fault": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "state", "ok"),
    [
        ({}, State.RUNNING, True),
        ({"every_camera_judged": False}, State.RUNNING, False),
        ({"motion": MotionState.STOPPED}, State.STOPPED, True),
        ({"motion": MotionState.STOPPED, "every_camera_judged": False}, State.STOPPED, False),
        ({"frames": 0, "every_camera_judged": False}, State.READY, False),
        ({"impaired": ["a: brightness -30%"]}, State.DEGRADED, True),
        ({"impaired": ["a: brightness -30%"], "motion": MotionState.STOPPED}, State.DEGRADED, True),
        ({"impaired": ["a: brightness -30%"], "every_camera_judged": False}, State.DEGRADED, False),
        ({"gap_open": True}, State.DEGRADED, False),
        ({"blind": ["not the cloth of the card"]}, State.DEGRADED, False),
        ({"bypass": True}, State.BYPASS, False),
        ({"bypass": True, "fault": "disk full"}, State.FAULT, False),
    ],
)
def test_the_first_condition_that_holds_says_how_the_line_is(facts: dict[str, Any], state: State, ok: bool) -> None:
    found = line_state(well(), **FACTS | facts)
    assert (found.state, found.inspection_ok) == (state, ok)


@pytest.mark.parametrize("ails", [StageState.DOWN, StageState.DEGRADED])
@pytest.mark.parametrize(("role", "name"), STAGES)
def test_a_stage_that_ails_is_shown_and_stops_what_cannot_be_judged_or_rejected(role: str, name: str, ails: StageState) -> None:
    roster = well()
    roster.hear(status(role, name, ails, "mute"))
    blinds = role in ("worker", "grabber") or name == "plc" or (role == "motion" and ails is StageState.DOWN)
    found = line_state(roster, **FACTS)
    assert (found.state, found.inspection_ok, found.detail) == (State.DEGRADED, not blinds, f"{name}: mute")


def test_what_blinds_is_said_first_and_all_that_ails_beside_it() -> None:
    roster = well()
    for name in ("board", "plc"):
        roster.hear(status("output", name, StageState.DEGRADED, "mute"))
    found = line_state(roster, **FACTS, blind=["x"], impaired=["y"])
    assert (found.inspection_ok, found.detail) == (False, "plc: mute; x; board: mute; y")


@pytest.mark.parametrize("missing", ["worker", "b", "plc", "board"])
def test_who_is_needed_is_waited_for(missing: str) -> None:
    roster, needed = well(), missing != "board"
    roster.stages = {place: s for place, s in roster.stages.items() if place[1] != missing}
    found = line_state(roster, **FACTS)
    assert (found.state, found.inspection_ok) == (State.STARTING if needed else State.RUNNING, not needed)


def judged(bench: Bench, seq: int = 0, now_ms: int = 0) -> LineState:
    for camera in ("a", "b"):
        bench.announce(seq, camera)
        bench.score(seq, camera=camera)
    return bench.state(now_ms * MS)


def test_cloth_that_is_judged_passes_while_a_board_is_mute_and_the_heartbeat_says_the_same() -> None:
    bench = Bench(("a", "b"), wires=WIRES, reject_wires=("plc",))
    bench.status("output", "plc")
    bench.status("output", "board", StageState.DEGRADED, detail="mute")
    assert judged(bench).inspection_ok
    beat = bench.air.take(Heartbeat)[-1]
    assert (beat.state, beat.inspection_ok) == (State.DEGRADED, True)
    assert {v.result for v in bench.air.take(Verdict)} == {Result.PASS}
    bench.announce(1, "b", sent=False)
    assert not bench.state().inspection_ok  # cloth that is not judged never does
    bench.announce(2, "b")
    bench.score(2, camera="b")
    assert bench.state().inspection_ok
    bench.status("output", "plc", StageState.DEGRADED, detail="does not answer")
    assert not bench.state().inspection_ok


def test_motion_that_says_nothing_for_a_second_blinds_the_line_until_it_speaks() -> None:
    bench = Bench(("a", "b"), motion=True)
    bench.move(0.0, 0.0)
    assert judged(bench).inspection_ok
    bench.air.queue.clear()
    for now_ms in range(0, 1001, 100):
        assert bench.verdicts(now_ms * MS) == [] and bench.air.take(LineState) == []
    state = bench.state(1001 * MS)
    assert (state.state, state.inspection_ok, state.detail) == (State.DEGRADED, False, "motion: says nothing")
    bench.move(0.0, 0.0)
    state = bench.state(1020 * MS)
    assert (state.state, state.inspection_ok) == (State.STOPPED, True)


def test_a_decision_that_slept_does_not_call_motion_lost() -> None:
    bench = Bench(("a", "b"), motion=True)
    bench.move(0.0, 0.0)
    judged(bench)
    bench.decision.step(9000 * MS)
    bench.move(0.0, 0.0)
    bench.decision.step(9010 * MS)
    assert bench.air.take(LineState) == []


def test_a_fault_that_is_reset_at_rest_waits_for_cloth() -> None:
    bench = Bench(("a", "b"))
    bench.move(100.0)
    assert judged(bench).inspection_ok
    bench.move(100.0, 0.0)
    assert bench.state().state is State.STOPPED
    bench.status("recorder", "recorder", StageState.FAULT, detail="disk full")
    bench.status("recorder", "recorder")
    assert bench.state().state is State.FAULT
    bench.inbox.send(Reset())
    state = bench.state()
    assert (state.state, state.inspection_ok) == (State.DEGRADED, False)
    bench.inbox.send(Reset())  # once more, at rest: nothing to accept
    bench.decision.step(0)
    assert bench.air.take(LineState) == []
    bench.move(150.0)
    state = judged(bench, 2)
    assert (state.state, state.inspection_ok) == (State.RUNNING, True)


@pytest.mark.parametrize(("told", "passes"), [(None, True), ("ready", True), ("down", False), ("successor", False)])
def test_a_score_of_a_worker_that_is_gone_counts_for_nothing(told: str | None, passes: bool) -> None:
    bench = Bench(ready=False)
    if told:
        bench.status("worker", "worker")
    if told == "down":
        bench.status("worker", "worker", StageState.DOWN)
    elif told == "successor":
        bench.status("worker", "worker", generation=1)
    bench.announce(0)
    bench.score(0)  # of generation 0
    found = bench.verdicts() + bench.verdicts(101 * MS)
    late = (0, Result.NOT_INSPECTED, Reason.NO_SCORE if told == "successor" else Reason.NOT_READY)
    assert [outcome(v) for v in found] == [(0, Result.PASS, None) if passes else late]
