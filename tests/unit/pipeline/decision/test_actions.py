"""The action table: once for each joined defect, gap and fault, by severity and lane, addressed by position."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config.line import LineConfig
from pipeline.decision.actions import UNACKNOWLEDGED, Actions
from pipeline.decision.handover import Heard
from pipeline.grading import Rules
from pipeline.messages.actions import Action
from pipeline.messages.states import ActionKind, Cause, Phase, Result
from pipeline.messages.verdicts import Region, Verdict


def table(*rules: dict[str, Any], **facts: Any) -> Actions:
    config = LineConfig.model_validate({"actions": rules, "motion": {"source": "simulated", "speed_mm_s": 1}})
    return Actions(config.actions, **facts)


def verdict(number: int, *boxes: tuple[float, float, float, float], lane: int = 0, **changes: Any) -> Verdict:
    """A frame of 50 mm with regions at (y0, y1, x0, x1) mm, 0.2 mm a px."""
    regions = [
        Region(x0_px=0, x1_px=round(5 * (x1 - x0)), y0_px=0, y1_px=round(5 * (y1 - y0)), score=0.9, lane=lane,
               y0_mm=y0, y1_mm=y1, x0_mm=x0, x1_mm=x1)
        for y0, y1, x0, x1 in boxes
    ]  # fmt: skip
    return Verdict.model_validate({
        "number": number, "generation": 0, "camera": "c", "boot_id": "b", "seq": number, "regions": regions,
        "result": Result.DEFECT if boxes else Result.PASS, "start_mm": 50.0 * number, "end_mm": 50.0 * number + 50,
        "t_mono_ns": 0, "t_utc_ns": 0, **changes,
    })  # fmt: skip


def kinds(actions: list[Action]) -> list[ActionKind]:
    return [a.kind for a in actions]


STOP = {"when": "DEFECT", "do": "stop"}


def test_a_streak_stops_once_and_again_only_for_a_severity_it_reached_later() -> None:
    actions = table({**STOP, "severity": 2}, {**STOP, "severity": 4}, {"when": "DEFECT", "do": "lamp"})
    answers = [kinds(actions.judged(verdict(n, (50.0 * n, 50.0 * n + 50, 10, 12)), 0)) for n in range(8)]
    assert answers[0] == ["LAMP"]  # 50 mm: severity 1
    assert answers[1] == ["STOP"]  # 100 mm: severity 2
    assert answers[4] == ["STOP"]  # 250 mm: severity 4
    assert sum(map(len, answers)) == 3


@pytest.mark.parametrize(("along_mm", "across_mm", "severity"), [(5, 70, 1), (5, 90, 2), (90, 5, 2), (5, 200, 3), (5, 300, 4)])
def test_a_wide_short_defect_is_as_severe_as_a_long_narrow_one(along_mm: float, across_mm: float, severity: int) -> None:
    actions = table(*({**STOP, "severity": n} for n in (1, 2, 3, 4)))
    answers = actions.judged(verdict(0, (0, along_mm, 10, 10 + across_mm)), 0)
    assert [a.severity for a in answers] == [severity] * severity


def test_an_acknowledged_stop_is_not_followed_by_another_for_the_same_defect() -> None:
    actions = table(STOP)
    (stop,) = actions.judged(verdict(0, (0, 50, 10, 12)), 1)
    (seen,) = actions.acknowledge(stop.event, 2)
    assert (seen.phase, seen.event, seen.kind, seen.t_mono_ns) == (Phase.ACKNOWLEDGED, stop.event, "STOP", 2)
    assert actions.acknowledge(stop.event, 3) == []
    assert actions.judged(verdict(1, (50, 90, 10, 12)), 4) == []
    assert kinds(actions.judged(verdict(2, (120, 125, 10, 12)), 5)) == ["STOP"]  # another one


def test_two_arms_that_join_have_both_been_answered() -> None:
    actions = table(STOP)
    assert len(actions.judged(verdict(0, (0, 50, 10, 12), (0, 50, 40, 42)), 0)) == 2
    assert actions.judged(verdict(1, (50, 60, 10, 42)), 0) == []


def test_lanes() -> None:
    actions = table({**STOP, "lanes": [2, 3]})
    assert actions.judged(verdict(0, (0, 5, 10, 12), lane=1), 0) == []
    assert len(actions.judged(verdict(1, (50, 55, 10, 12), lane=3), 0)) == 1


def test_severity_is_by_the_rules_of_the_line() -> None:
    stops = ({**STOP, "severity": 2}, {**STOP, "severity": 3})
    for rules, answers in ((None, 0), (Rules(limits_mm=(2.0, 4.0, 30.0)), 2), (Rules(limits_mm=(2.0, 8.0, 30.0)), 1)):
        assert len(table(*stops, rules=rules).judged(verdict(0, (0, 5, 10, 12)), 0)) == answers


def test_a_defect_of_no_known_lane_is_held_to_be_in_every_lane() -> None:
    actions = table({**STOP, "lanes": [2, 3]})
    shown = verdict(0, (0, 5, 10, 12))
    nowhere = shown.model_copy(update={"regions": (shown.regions[0].model_copy(update={"lane": None}),)})
    assert kinds(actions.judged(nowhere, 0)) == ["STOP"]


def test_a_defect_of_unknown_size_is_held_to_be_severe() -> None:
    bare = Region(x0_px=0, y0_px=0, x1_px=8, y1_px=8, score=0.9)
    actions = table({**STOP, "severity": 4, "distance_mm": 100})
    (stop,) = actions.judged(
        verdict(0, result=Result.DEFECT, start_mm=None, end_mm=None).model_copy(update={"regions": (bare,)}), 0
    )
    assert (stop.severity, stop.target_mm, stop.phase) == (None, None, Phase.NOW)


def test_a_frame_with_more_regions_than_are_told_is_held_to_have_a_severe_one_in_every_lane() -> None:
    actions = table({**STOP, "severity": 4, "lanes": [7]})
    assert actions.judged(verdict(0, (0, 5, 10, 12), regions_total=1), 0) == []
    (stop,) = actions.judged(verdict(1, (60, 65, 10, 12), regions_total=2), 0)
    assert stop.severity is None


def test_marks_come_due_in_the_order_of_their_places() -> None:
    actions = table({"when": "DEFECT", "do": "mark", "distance_mm": 500}, {"when": "DEFECT", "do": "mark", "distance_mm": 200})
    ahead = actions.judged(verdict(0, (10, 20, 10, 12)), 0) + actions.judged(verdict(1, (60, 70, 10, 12)), 0)
    assert [a.target_mm for a in ahead] == [510, 210, 560, 260] and {a.phase for a in ahead} == {Phase.AHEAD}
    assert actions.reached(209, 0) == []
    assert [a.target_mm for a in actions.reached(530, 7)] == [210, 260, 510]
    assert actions.reached(520, 0) == []  # the cloth went back: what was done is done
    (last,) = actions.reached(600, 9)
    assert (last.phase, last.event, last.t_mono_ns) == (Phase.NOW, ahead[2].event, 9)


def test_cloth_not_inspected_acts_once_for_each_gap_of_each_camera() -> None:
    gone: dict[str, Any] = {"result": Result.NOT_INSPECTED, "reason": "NO_SCORE"}
    actions = table({"when": "NOT_INSPECTED", "do": "stop", "after_mm": 120})
    answers = [actions.judged(verdict(n, **gone), 0) for n in range(6)]
    assert [len(a) for a in answers] == [0, 0, 1, 0, 0, 0]
    assert (answers[2][0].cause, answers[2][0].start_mm, answers[2][0].end_mm) == (Cause.NOT_INSPECTED, 0, 150)
    actions.judged(verdict(6), 0)
    assert [len(actions.judged(verdict(n, **gone), 0)) for n in (7, 8, 9)] == [0, 0, 1]


def test_a_stop_acknowledged_before_it_was_due_can_be_acknowledged_again() -> None:
    actions = table({**STOP, "distance_mm": 100})
    (ahead,) = actions.judged(verdict(0, (0, 5, 10, 12)), 0)
    assert len(actions.acknowledge(None, 1)) == 1
    (now,) = actions.reached(500.0, 2)
    assert (now.event, now.phase) == (ahead.event, Phase.NOW)
    assert [a.event for a in actions.acknowledge(None, 3)] == [ahead.event]


def test_what_comes_due_in_bypass_is_let_by_and_nobody_s_to_acknowledge() -> None:
    actions = table({**STOP, "distance_mm": 100})
    told = actions.judged(verdict(0, (0, 5, 10, 12)), 0)
    by = actions.reached(500.0, 1, bypass=True)
    assert [(a.event, a.phase) for a in by] == [(0, "LET_BY")] and actions.unacknowledged == []
    heard = Heard()
    for action in (*told, *by):
        heard.hear(action)
    assert (
        heard.handover(True).actions == () and heard.handover(True).events == 1
    )  # a restart brings back neither it nor its number
    assert actions.reached(500.0, 2) == actions.acknowledge(None, 3) == []


def test_marks_are_nobodys_to_acknowledge() -> None:
    actions = table({"when": "DEFECT", "do": "mark"})
    assert kinds(actions.judged(verdict(0, (0, 5, 10, 12)), 0)) == ["MARK"]
    assert actions.acknowledge(None, 1) == []


def test_events_that_nobody_acknowledges_do_not_pile_up() -> None:
    actions = table({"when": "FAULT", "do": "lamp"})
    for _ in range(UNACKNOWLEDGED + 10):
        actions.present({Cause.FAULT}, 0)
        actions.present(set(), 0)
    assert len(actions.acknowledge(None, 0)) == UNACKNOWLEDGED


def test_what_was_open_or_ahead_outlives_a_restart_of_decision() -> None:
    lamp, mark = {"when": "DEFECT", "do": "lamp"}, {"when": "DEFECT", "do": "mark", "distance_mm": 50}
    rules = (lamp, {**STOP, "distance_mm": 100}, mark)
    first = table(*rules)
    told = [*first.judged(verdict(0, (0, 5, 10, 12)), 0), *first.judged(verdict(1, (60, 65, 10, 12)), 0)]
    heard = Heard()
    for action in [*told, *first.reached(60, 1), *first.acknowledge(told[3].event, 2)]:
        heard.hear(action)
    handover = heard.handover(False)
    before = handover.actions
    assert [(a.event, a.kind, a.phase) for a in before] == [
        (0, "LAMP", "NOW"), (1, "STOP", "AHEAD"), (4, "STOP", "AHEAD"), (5, "MARK", "AHEAD"),
    ]  # fmt: skip

    second = table(*rules, before=before, events=handover.events, generation=1)
    assert [(a.event, a.kind, a.generation) for a in second.again()] == [(0, "LAMP", 1)]
    assert [(a.event, a.phase, a.generation) for a in second.reached(150, 3)] == [(1, "NOW", 1), (5, "NOW", 1)]
    assert [a.event for a in second.judged(verdict(2, (120, 125, 10, 12)), 4)] == [6, 7, 8]
    assert [(a.event, a.generation) for a in second.acknowledge(None, 5)] == [(e, 1) for e in (0, 1, 4, 6, 7)]


@pytest.mark.parametrize(
    "bad",
    [
        {"actions": [{"when": "DEFECT", "do": "cut"}]},
        {"actions": [{"when": "FAULT", "do": "stop", "severity": 2}]},
        {"actions": [{"when": "DEFECT", "do": "mark", "distance_mm": 10}]},  # no motion
        {"outputs": [{"kind": "publisher"}, {"kind": "modbus", "host": "h", "name": "worker"}]},
        {"outputs": [{"kind": "modbus", "host": "h"}]},
    ],
)
def test_bad_tables_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LineConfig.model_validate(bad)


def test_marks_that_their_cloth_never_reaches_are_bounded_and_the_nearest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.decision.actions.MAX_AHEAD", 200)
    actions = table({"when": "DEFECT", "do": "mark", "distance_mm": 1000})
    for n in range(201):
        at = 50.0 * (200 - n)  # the furthest first
        actions.judged(verdict(n, (at, at + 1, 500 * (n % 2), 500 * (n % 2) + 1), start_mm=at, end_mm=at + 50), 0)
    assert len(actions._ahead) == 100
    assert [a.start_mm for a in actions.reached(1100.0, 0)] == [0, 50, 100]
