"""One short schedule on a live line; `make nemesis` plays many long ones."""

from __future__ import annotations

from tests.nemesis.processes.checker import check
from tests.nemesis.processes.known import is_new
from tests.nemesis.processes.play import Stage
from tests.nemesis.processes.schedule import MOST_DEATHS, Act, Schedule, draw

SHORT = Schedule(0, cloth=False, standby=False, basler=False, acts=(
    Act("pause", "b", 0.5, 1.0), Act("kill", "decision", 1.0), Act("kill", "a", 2.0), Act("kill", "supervisor", 3.5),
))  # fmt: skip


def test_whatever_is_done_to_a_live_line_the_promise_holds() -> None:
    trace: list[str] = []
    with Stage() as stage:
        record = stage.play(SHORT, trace.append)
    broken = [v for v in check(record) if is_new(v) and v.kind != "runs again too late"]  # how soon is for a quiet machine
    assert not broken, "\n".join([*trace, *map(str, broken)])
    assert {(d.kind, d.target) for d in record.deeds} == {(a.kind, a.target) for a in SHORT.acts}
    assert [code for _, code in record.exits] == [-9] and any(on for _, on in record.gate)


def test_a_seed_says_the_same_again_and_seeds_reach_all() -> None:
    drawn = [draw(seed) for seed in range(300)]
    assert drawn == [draw(seed) for seed in range(300)]
    assert {(s.cloth, s.standby, s.basler) for s in drawn} == {(c, s, b) for c in (0, 1) for s in (0, 1) for b in (0, 1)}
    kinds = {"kill", "pause", "stalled", "flood", "disk", "folder", "unplug", "damage"}
    assert {a.kind for s in drawn for a in s.acts} == kinds
    hit = {a.target for s in drawn for a in s.acts if a.kind == "kill"}
    assert hit == {"supervisor", "decision", "worker", "recorder", "a", "b", "motion"}
    for schedule in drawn:
        deaths = [a.target for a in schedule.acts if a.deadly]
        assert all(deaths.count(t) <= MOST_DEATHS for t in deaths) and {a.target for a in schedule.acts} <= {
            *schedule.processes
        }


def test_decision_is_killed_for_a_pause_that_others_outlive() -> None:
    assert [Act("pause", target, 1.0, 2.9).deadly for target in ("decision", "worker", "supervisor")] == [True, False, False]
    assert not Act("pause", "decision", 1.0, 2.0).deadly and Act("pause", "worker", 1.0, 9.5).deadly
