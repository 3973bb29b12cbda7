"""What a person must do comes first, and old news is never shown as new."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.dashboard.view import View
from pipeline.messages.actions import Action
from pipeline.messages.cloth import Roll
from pipeline.messages.line import CameraCounts, Heartbeat, LineState
from pipeline.messages.states import ActionKind, Cause, Phase, Result, State
from pipeline.messages.verdicts import Verdict
from tests.fakes import totals

SECOND = 10**9
FACTS = {
    "line": "loom-7", "card": {"thresholds": [0.5]},
    "config": {"cameras": [{"name": "left", "mm_per_px_x": 0.2, "mm_per_px_y": 0.2}], "styles": {"twill": {}}},
}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.ns = SECOND

    def __call__(self) -> int:
        return self.ns


def state(kind: State, ok: bool = True, detail: str = "") -> LineState:
    return LineState(number=0, generation=0, state=kind, inspection_ok=ok, detail=detail, t_mono_ns=0, t_utc_ns=0)


def beat(*open_: ActionKind, bypass: bool = False, kind: State = State.RUNNING) -> Heartbeat:
    return Heartbeat(
        number=0, generation=0, state=kind, inspection_ok=True, verdicts=7, bypass=bypass, unacknowledged=open_, t_mono_ns=0
    )


def action(event: int, kind: ActionKind = ActionKind.STOP, phase: Phase = Phase.NOW, **changes: Any) -> Action:
    return Action(
        number=0, generation=0, event=event, kind=kind, cause=Cause.DEFECT, phase=phase, camera="left", start_mm=2500.0,
        end_mm=2510.0, t_mono_ns=0, **changes,
    )  # fmt: skip


def roll(roll_id: str, start_mm: float = 0.0, number: int = 0) -> Roll:
    return Roll(
        number=number, generation=0, roll_id=roll_id, style="twill", start_mm=start_mm, cause="command", t_mono_ns=0, t_utc_ns=0
    )


def verdict(number: int, roll_id: str) -> Verdict:
    return Verdict(
        number=number, generation=0, camera="left", boot_id="b", seq=number, result=Result.PASS, start_mm=100.0 * number,
        end_mm=100.0 * number + 100, roll_id=roll_id, frame_shape=(500, 1000), t_mono_ns=0, t_utc_ns=0,
    )  # fmt: skip


def running(*messages: Any) -> View:
    view = View(FACTS, live=True, now_ns=lambda: SECOND)
    for message in (state(State.RUNNING), *messages):
        view.hear(message)
    return view


def keys(view: View) -> list[str]:
    return [n["key"] for n in view.told()["next"]]


def test_open_stops_are_the_first_thing_while_the_line_runs_and_inspects() -> None:
    view = running(action(4), action(5), action(6, ActionKind.LAMP), beat(*ActionKind))
    told = view.told()
    assert (told["state"], told["ok"]) == ("RUNNING", True)
    assert [(n["key"], n["count"]) for n in told["next"]] == [("stop", 2), ("lamp", 1)]
    assert told["next"][0]["at_m"] == 2.5 and told["next"][0]["camera"] == "left"
    assert [o["event"] for o in told["open"]["listed"]] == [4, 5, 6]


def test_what_is_acknowledged_is_gone_and_what_is_still_ahead_is_not_there_yet() -> None:
    view = running(action(1), action(2, phase=Phase.AHEAD), action(3, ActionKind.MARK), beat(ActionKind.STOP))
    assert view.told()["next"][0]["count"] == 1
    view.hear(action(1, phase=Phase.ACKNOWLEDGED))
    view.hear(beat())
    assert keys(view) == [] and view.told()["open"]["listed"] == []


def test_a_stop_that_nobody_told_of_is_seen_in_the_heartbeat() -> None:
    assert keys(running(beat(ActionKind.STOP))) == ["stop"]


def test_one_whose_acknowledgement_was_lost_goes_with_the_heartbeat() -> None:
    assert keys(running(action(1), beat())) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (state(State.FAULT, False, "recorder: disk full"), ["fault", "stop"]),
        (state(State.FAULT, False, "recorder: disk full (gone: reset it)"), ["fault_gone", "stop"]),
        (state(State.DEGRADED, False, "not the cloth of the card: left: darker"), ["stop", "unlike"]),
        (state(State.DEGRADED, False, "left: gone"), ["stop", "not_inspected"]),
        (state(State.DEGRADED, True, "plc: gone"), ["stop", "degraded"]),
    ],
)
def test_a_latched_fault_comes_before_all_that_the_line_still_says(said: LineState, expected: list[str]) -> None:
    view = running(said, action(1), beat(ActionKind.STOP))
    assert keys(view) == expected
    assert all("(gone" not in n.get("why", "") for n in view.told()["next"])


def test_bypass_is_said_also_while_it_looks_well() -> None:
    view = running(beat(bypass=True))
    assert keys(view) == ["bypass"] and view.told()["bypass"]


def test_silence_is_said_and_nothing_is_well_then() -> None:
    clock = Clock()
    view = View(FACTS, live=True, now_ns=clock)
    assert keys(view) == ["not_running"]
    for message in (state(State.RUNNING), beat()):
        view.hear(message)
    assert keys(view) == [] and view.told()["ok"]
    clock.ns += 2 * SECOND
    assert keys(view) == ["silent"] and not view.told()["ok"]
    view.running = False
    assert keys(view) == ["not_running"] and view.told()["state"] is None


def test_of_a_record_nothing_is_to_be_done_at_the_line() -> None:
    view = View(FACTS, live=False)
    for message in (state(State.FAULT, False, "worker: gone"), action(1)):
        view.hear(message)
    assert keys(view) == [] and not view.told()["silent"] and view.told()["state"] == "FAULT"


def test_a_new_roll_begins_with_clean_cloth_and_one_told_again_does_not() -> None:
    view = running(roll("R-1"), verdict(0, "R-1"), verdict(1, "R-1"))
    view.hear(roll("R-1", number=3))
    assert view.cloth.last == (0, 1)
    before = view.cloth_version
    view.hear(roll("R-2", start_mm=200.0))
    assert view.cloth.last == (-1, -1) and view.told()["roll"] == {"id": "R-2", "style": "twill", "known": True}
    view.hear(verdict(2, "R-1"))  # another camera is still on the cloth before
    assert view.cloth.last == (-1, -1)
    view.hear(verdict(3, "R-2"))
    assert view.cloth.last == (0, 3) and view.cloth_version != before


def test_speed_is_in_metres_a_minute_and_rates_are_by_camera() -> None:
    counts = {"passed": 5, "defect": 1, "not_inspected": 0, "inspected_m": 1.5, "lanes": (0.25, float("nan")), "last": "PASS"}
    view = running(
        totals(speed_mm_s=500.0, position_mm=2500.0, cameras={"left": CameraCounts(frames=6, **counts)}),
        totals(speed_mm_s=500.0, position_mm=2500.0, cameras={"left": CameraCounts(frames=26, **counts)}, t_mono_ns=2 * SECOND),
        beat(),
    )  # fmt: skip
    told = view.told()
    assert (told["totals"]["speed_m_min"], told["totals"]["position_m"]) == (30.0, 2.5)
    (camera,) = told["cameras"]
    assert (camera["rate"], camera["score"], camera["frames"]) == (10.0, 0.25, 26)
