"""The checker finds each fault that is planted into a good history, and nothing in the good one."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.nemesis.checker import check
from tests.nemesis.history import History, Said
from tests.nemesis.play import Stage
from tests.nemesis.schedule import MS, CameraPlan, Fault, S, Schedule

SCALED = (CameraPlan("a", "rate", 110.0, 0.4, 0.0, 400.0), CameraPlan("b", "rows", 100.0, 0.6, -40.0, None))
BARE = (CameraPlan("a", "rate", 90.0, None, 0.0, None), CameraPlan("b", "self", 150.0, None, 0.0, None))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def plan(cameras: tuple[CameraPlan, ...], motion: bool) -> Schedule:
    """Nothing goes wrong but the wall clock; the cloth rests once."""
    speeds = ((0.0, 200.0), (1.0, 0.0), (1.4, 200.0))
    faults = (Fault("clock", "wall", 2.6, 2.6, -0.5),)
    return Schedule(5, cameras, motion, speeds, budget_ms=300, tolerate_mm=60.0, load_s=0.3, tile_ms=2.0, faults=faults)


@pytest.fixture(scope="module")
def measured(stage: Stage) -> History:
    return stage.play(plan(SCALED, motion=True))


@pytest.fixture(scope="module")
def unmeasured(stage: Stage) -> History:
    return stage.play(plan(BARE, motion=False))


def passes(h: History, camera: str) -> list[Said]:
    return [v for _, v in h.said("Verdict") if v["camera"] == camera and v["result"] == "PASS"]


def row_of(h: History, v: Said) -> Said:
    return next(r for r in h.rows if (r["generation"], r["number"]) == (v["generation"], v["number"]))


def remove(h: History, v: Said) -> None:
    """From everywhere, as if it had never been given."""
    h.published = [(t, m) for t, m in h.published if m is not v]
    for record in (h.rows, h.lines):
        record[:] = [r for r in record if (r["generation"], r["number"]) != (v["generation"], v["number"])]


def a_verdict_is_missing(h: History) -> None:
    remove(h, passes(h, "a")[5])


def a_verdict_is_given_twice(h: History) -> None:
    v = passes(h, "b")[3]
    h.published.append((h.published[-1][0], {**v, "number": v["number"] + 500}))


def a_verdict_on_a_frame_of_nobody(h: History) -> None:
    passes(h, "b")[3]["seq"] = 777


def a_pass_without_a_score(h: History) -> None:
    passes(h, "a")[4]["score"] = None


def a_pass_with_an_infinite_score(h: History) -> None:
    passes(h, "a")[4]["score"] = -math.inf


def a_pass_with_the_score_of_another_frame(h: History) -> None:
    first, second = passes(h, "a")[4:6]
    first["score"] = second["score"]


def a_pass_of_a_damaged_picture(h: History) -> None:
    origin = passes(h, "a")[4]["origin"]
    next(e for e in h.exposures if f"{e['camera']}:{e['n']}" == origin)["fate"] = "damaged"


def a_late_pass(h: History) -> None:
    passes(h, "b")[9]["t_mono_ns"] += 320 * MS


def a_verdict_that_came_at_the_end(h: History) -> None:
    v = next(v for _, v in h.said("Verdict") if v["camera"] == "b" and v["result"] == "DEFECT")
    v["t_mono_ns"] += 3 * S


def a_pass_beyond_the_actuator(h: History) -> None:
    h.facts["cameras"]["a"]["actuator_mm"] = 2.0


def a_pass_by_another_engine(h: History) -> None:
    passes(h, "b")[2]["engine_sha"] = "other"


def a_pass_by_another_card(h: History) -> None:
    passes(h, "b")[2]["card_sha"] = "other"


def a_pass_in_fault(h: History) -> None:
    for _, m in h.said("LineState"):
        m["state"] = "FAULT" if m["state"] == "RUNNING" else m["state"]


def a_millimetre_without_a_verdict(h: History) -> None:
    for v in passes(h, "b")[5:]:
        v["start_mm"] += 1.0
        v["end_mm"] += 1.0


def a_place_that_was_lost(h: History) -> None:
    for m in h.motions[len(h.motions) // 2 :]:
        m["position_mm"] -= 100.0


def a_counter_off_by_one(h: History) -> None:
    h.said("Totals")[2][1]["passed"] += 1


def a_camera_counter_off_by_one(h: History) -> None:
    h.said("Totals")[-1][1]["cameras"]["b"]["defect"] += 1


def totals_on_record_off_by_one(h: History) -> None:
    h.totals[0]["not_inspected"] += 1


def a_lost_word_of_a_number(h: History) -> None:
    h.published.remove(h.said("Heartbeat")[3])


def a_lost_picture_untold(h: History) -> None:
    [a for a in h.announced if a["camera"] == "a"][6]["lost"] = 1


def a_gap_in_the_camera_counter(h: History) -> None:
    for e in [e for e in h.exposures if e["camera"] == "a"][6:]:
        e["block"] += 2


def a_loss_that_never_was(h: History) -> None:
    passes(h, "b")[3]["lost"] = 1


def a_row_is_missing(h: History) -> None:
    del h.rows[7]


def a_row_is_missing_of_a_decision_that_died_alone(h: History) -> None:
    h.facts["killed_decisions"] = [0]
    del h.rows[7]


def the_last_row_is_missing_and_nothing_tells_of_it(h: History) -> None:
    h.facts |= {"killed_decisions": [0], "recorder_failed": True}
    h.totals[0]["verdicts"] -= 1
    h.rows.remove(max(h.rows, key=lambda v: v["number"]))


def a_row_says_something_else(h: History) -> None:
    row_of(h, passes(h, "a")[3])["result"] = "DEFECT"


def a_line_is_missing(h: History) -> None:
    del h.lines[7]


def a_row_that_was_never_published(h: History) -> None:
    h.rows.append({**h.rows[-1], "number": h.rows[-1]["number"] + 1, "seq": None})


def a_handle_is_left(h: History) -> None:
    h.handles = h.handles[0], h.handles[0] + 1


def it_does_not_run_again(h: History) -> None:
    for _, m in h.published:
        if m["t"] in ("LineState", "Heartbeat"):
            m["state"] = "DEGRADED"


def a_camera_does_not_pass_again(h: History) -> None:
    h.facts["peace_ns"] = passes(h, "b")[-1]["t_mono_ns"] + MS


def it_runs_again_too_late(h: History) -> None:
    h.facts["peace_ns"] -= 20 * S


def the_gate_is_open_without_a_heartbeat(h: History) -> None:
    last_ns = h.said("Heartbeat")[-1][0]
    h.gate.append((last_ns + 400 * MS, True))


def the_gate_is_open_without_a_pass(h: History) -> None:
    h.published = [(t, m) for t, m in h.published if m["t"] != "Verdict" or m["camera"] != "b"]


def the_gate_is_open_after_a_defect(h: History) -> None:
    bad_ns = next(t for t, v in h.said("Verdict") if v["result"] == "DEFECT")
    h.gate = [(t, on or t - bad_ns > 0) for t, on in h.gate]


PLANTS: tuple[tuple[str, str, Callable[[History], None]], ...] = (
    ("I1", "cloth without a verdict", a_verdict_is_missing),
    ("I4", "too few told as lost", a_verdict_is_missing),
    ("I3", "a gap in numbers", a_verdict_is_missing),
    ("I1", "more than one verdict on a frame", a_verdict_is_given_twice),
    ("I1", "a verdict on a frame that nobody announced, published", a_verdict_on_a_frame_of_nobody),
    ("I2", "PASS without a finite score", a_pass_without_a_score),
    ("I2", "PASS without a finite score", a_pass_with_an_infinite_score),
    ("I2", "PASS with a foreign score", a_pass_with_the_score_of_another_frame),
    ("I2", "PASS of a picture that was not given", a_pass_of_a_damaged_picture),
    ("I2", "late PASS", a_late_pass),
    ("I1", "a verdict much too late", a_verdict_that_came_at_the_end),
    ("I2", "PASS beyond the actuator", a_pass_beyond_the_actuator),
    ("I2", "PASS by another engine_sha", a_pass_by_another_engine),
    ("I2", "PASS by another card_sha", a_pass_by_another_card),
    ("I2", "PASS while nothing may pass", a_pass_in_fault),
    ("I1", "cloth without a verdict", a_millimetre_without_a_verdict),
    ("I1", "the line has lost its place", a_place_that_was_lost),
    ("I3", "published totals are wrong", a_counter_off_by_one),
    ("I3", "published totals are wrong", a_camera_counter_off_by_one),
    ("I3", "record totals are wrong", totals_on_record_off_by_one),
    ("I3", "a gap in numbers", a_lost_word_of_a_number),
    ("I4", "too few told as lost", a_lost_picture_untold),
    ("I4", "the grabber miscounts", a_gap_in_the_camera_counter),
    ("I4", "too many told as lost", a_loss_that_never_was),
    ("I1", "published, and not in the ledger", a_row_is_missing),
    ("I1", "published, and not in the ledger", a_row_is_missing_of_a_decision_that_died_alone),
    ("I1", "published, and not in the ledger", the_last_row_is_missing_and_nothing_tells_of_it),
    ("I1", "the ledger says something else than what was published", a_row_says_something_else),
    ("I1", "verdicts.jsonl and the ledger differ", a_line_is_missing),
    ("I1", "in the ledger, and never published", a_row_that_was_never_published),
    ("I5", "1 handles are left open", a_handle_is_left),
    ("I6", "does not run again", it_does_not_run_again),
    ("I6", "does not run again", a_camera_does_not_pass_again),
    ("I6", "runs again too late", it_runs_again_too_late),
    ("GATE", "open without a heartbeat", the_gate_is_open_without_a_heartbeat),
    ("GATE", "open without a fresh PASS", the_gate_is_open_without_a_pass),
    ("GATE", "open after a bad word", the_gate_is_open_after_a_defect),
)


def test_a_good_history_is_good(measured: History, unmeasured: History) -> None:
    assert check(measured) == [] and check(unmeasured) == []
    assert all(len(passes(h, c)) > 10 for h in (measured, unmeasured) for c in "ab")
    assert any(on for _, on in measured.gate) and any(on for _, on in unmeasured.gate)


@pytest.mark.parametrize(("invariant", "kind", "plant"), PLANTS, ids=[p[2].__name__ for p in PLANTS])
def test_a_planted_fault_is_found(measured: History, invariant: str, kind: str, plant: Callable[[History], Any]) -> None:
    spoiled = copy.deepcopy(measured)
    plant(spoiled)
    found = check(spoiled)
    assert (invariant, kind) in {(v.invariant, v.kind) for v in found}, [str(v) for v in found]
    assert str(found[0]).startswith("seed 5: ")


def test_silence_is_found_where_lengths_are_not_known(unmeasured: History) -> None:
    spoiled = copy.deepcopy(unmeasured)
    from_ns, to_ns = spoiled.facts["began_ns"] + S // 2, spoiled.facts["began_ns"] + 3 * S // 2
    spoiled.facts["ended_ns"] += 2 * S
    assert {(v.kind, v.camera) for v in check(spoiled) if v.invariant == "I1"} == {
        ("silence without a verdict", "a"),
        ("silence without a verdict", "b"),
    }
    told = [
        {**passes(spoiled, c)[-1], "seq": None, "result": "NOT_INSPECTED", "from_ns": from_ns, "to_ns": to_ns + 4 * S}
        for c in "ab"
    ]
    spoiled.published += [(to_ns, v) for v in told]
    assert not [v for v in check(spoiled) if v.kind == "silence without a verdict"]
