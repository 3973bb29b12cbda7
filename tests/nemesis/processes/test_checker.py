"""The checker finds each fault that is planted into a good record, and nothing in the good one."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest

from tests.nemesis.processes.checker import check
from tests.nemesis.processes.ear import Said
from tests.nemesis.processes.record import Deed, Footprint, Record
from tests.nemesis.processes.recovery import alone, distribution, well_ns

S, MS = 1_000_000_000, 1_000_000
RUN, FRAME_MM, FRAMES, PERIOD_NS = "R", 25.6, 60, 256 * MS
SHAS = {"weights_sha": "w", "engine_sha": "e", "card_sha": "c"}
BAR = 4
"""Of twelve pictures of a camera."""


def verdict(camera: str, n: int, number: int, cloth: bool) -> Said:
    """Of picture n: camera b is half a period later."""
    taken_ns = S + n * PERIOD_NS + (camera == "b") * PERIOD_NS // 2
    barred = n % 12 == BAR
    place = {"start_mm": n * FRAME_MM, "end_mm": (n + 1) * FRAME_MM} if cloth else {"start_mm": None, "end_mm": None}
    return {
        "t": "Verdict", "generation": 0, "number": number, "camera": camera, "boot_id": f"{camera}-1", "seq": n, "lost": 0,
        "result": "DEFECT" if barred else "PASS", "reason": None, "score": 0.9 if barred else 0.3 + n % 12 / 100,
        "origin": f"{camera}{n % 12:02d}.png", "t_mono_ns": taken_ns + 40 * MS, "latency_ms": 40.0, **place, **SHAS,
    }  # fmt: skip


def recorded(cloth: bool) -> Record:
    """Two cameras of a line of which nothing was asked but one kill of its worker."""
    pairs = [verdict(camera, n, 2 * n + (camera == "b"), cloth) for n in range(FRAMES) for camera in "ab"]
    own = {"passed": 55, "defect": 5, "not_inspected": 0}
    totals = {
        "t": "Totals", "generation": 0, "verdicts": 120, "passed": 110, "defect": 10, "not_inspected": 0, "reasons": {},
        "cameras": {"a": own, "b": own},
    }  # fmt: skip
    ended_ns = S + FRAMES * PERIOD_NS
    beats = [
        {"t": "Heartbeat", "generation": 0, "number": n, "t_mono_ns": n * 100 * MS, "state": "RUNNING", "inspection_ok": True}
        for n in range(ended_ns // (100 * MS))
    ]
    places = [
        {**totals, "t_mono_ns": S + n * PERIOD_NS, "position_mm": n * FRAME_MM if cloth else None} for n in range(FRAMES + 1)
    ]
    said = sorted([*pairs, *beats, *places], key=lambda m: m["t_mono_ns"])
    record = Record(5, {
        "cloth": cloth, "speed_mm_s": 100.0, "budget_ms": 500.0, "period_ns": PERIOD_NS, "frame_mm": FRAME_MM,
        "cameras": ["a", "b"], "origins": {"a": "a", "b": "b"}, "barred": {c: f"{c}{BAR:02d}.png" for c in "ab"},
        "scores": {c: {f"{c}{n:02d}.png": 0.9 if n == BAR else 0.3 + n / 100 for n in range(12)} for c in "ab"}, **SHAS,
    })  # fmt: skip
    record.heard = [(m["t_mono_ns"] + MS, copy.deepcopy(m)) for m in said]
    record.rows = [(RUN, v) for v in pairs]
    record.lines = [{"run": RUN, **v} for v in pairs]
    record.totals, record.runs = [(RUN, {**totals, "position_mm": None})], [(RUN, 0)]
    record.ends = {RUN: "2026-01-01T00:00:00+00:00"}
    record.pids = [(1, name, pid) for pid, name in enumerate(("supervisor", "decision", "worker", "a", "b"), 1)]
    record.pids.append((5 * S + 20 * MS, "worker", 9))
    record.deeds = [Deed("kill", "worker", 5 * S, 5 * S)]
    record.glimpses = {(RUN, 0, v["number"]): v["t_mono_ns"] for v in pairs[:80]}
    record.footprints = [Footprint(n * S, "decision", 2, 100.0 + n % 3, 40) for n in range(1, 16)]
    record.gate = [(2 * S, True), (2 * S + 80 * MS, False)]
    return record


def passes(r: Record, camera: str) -> list[Said]:
    return [v for _, v in r.rows if v["camera"] == camera and v["result"] == "PASS"]


def everywhere(r: Record, v: Said, **changed: object) -> None:
    """The same verdict in the ledger, in the lines and as it was heard."""
    for said in [*(m for _, m in r.heard if m["t"] == "Verdict"), *(x for _, x in r.rows), *r.lines]:
        if (said["generation"], said["number"]) == (v["generation"], v["number"]):
            said.update(changed)


def remove(r: Record, v: Said) -> None:
    """As if it had never been given."""
    number = v["number"]
    r.heard = [(t, m) for t, m in r.heard if m["t"] != "Verdict" or m["number"] != number]
    r.rows = [(run, x) for run, x in r.rows if x["number"] != number]
    r.lines = [x for x in r.lines if x["number"] != number]


def a_verdict_is_missing(r: Record) -> None:
    remove(r, passes(r, "a")[7])


def a_second_verdict_on_a_frame(r: Record) -> None:
    first, second = passes(r, "b")[6:8]
    everywhere(r, second, seq=first["seq"])


def a_pass_without_a_score(r: Record) -> None:
    everywhere(r, passes(r, "a")[3], score=None)


def a_pass_with_an_infinite_score(r: Record) -> None:
    everywhere(r, passes(r, "a")[3], score=-math.inf)


def a_pass_with_the_score_of_another_picture(r: Record) -> None:
    first, second = passes(r, "a")[3:5]
    everywhere(r, first, score=second["score"])


def a_bar_passes(r: Record) -> None:
    everywhere(r, next(v for _, v in r.rows if v["result"] == "DEFECT" and v["camera"] == "b"), result="PASS")


def a_pass_by_another_card(r: Record) -> None:
    everywhere(r, passes(r, "b")[3], card_sha="x")


def a_late_pass(r: Record) -> None:
    everywhere(r, passes(r, "b")[3], latency_ms=600.0)


def a_verdict_long_after_its_budget(r: Record) -> None:
    everywhere(r, next(v for _, v in r.rows if v["result"] == "DEFECT"), latency_ms=1700.0)


def a_pass_in_fault(r: Record) -> None:
    place = next(n for n, (_, m) in enumerate(r.heard) if m["t"] == "Verdict" and m["number"] == 30)
    r.heard.insert(place, (r.heard[place][0], {"t": "LineState", "state": "FAULT", "generation": 0, "t_mono_ns": 0}))


def the_cloth_ran_faster_than_told(r: Record) -> None:
    r.facts["speed_mm_s"] = 80.0


def the_cloth_ran_further_than_told(r: Record) -> None:
    r.facts["speed_mm_s"] = 120.0


def totals_do_not_add_up(r: Record) -> None:
    next(m for _, m in r.heard if m["t"] == "Totals")["passed"] += 1


def a_reason_is_not_counted(r: Record) -> None:
    next(m for _, m in r.heard if m["t"] == "Totals")["reasons"] = {"NO_SCORE": 1}


def the_totals_on_record_are_of_more(r: Record) -> None:
    own = {"passed": 56, "defect": 5, "not_inspected": 0}
    r.totals[0][1].update(verdicts=121, passed=111, cameras={"a": own, "b": r.totals[0][1]["cameras"]["b"]})


def a_word_was_never_heard(r: Record) -> None:
    r.heard = [(t, m) for t, m in r.heard if (m["t"], m.get("number")) != ("Heartbeat", 50)]


def a_loss_that_never_was(r: Record) -> None:
    everywhere(r, passes(r, "a")[7], lost=2)


def memory_grows(r: Record) -> None:
    r.footprints.append(Footprint(16 * S, "decision", 2, 300.0, 40))


def handles_grow(r: Record) -> None:
    r.footprints.append(Footprint(16 * S, "decision", 2, 100.0, 60))


def a_process_is_left(r: Record) -> None:
    r.left.append("process worker")


def it_is_not_well_again(r: Record) -> None:
    for t_ns, m in r.heard:
        if m["t"] == "Heartbeat" and t_ns > 5 * S:
            m["inspection_ok"] = False


def a_camera_is_not_judged_again(r: Record) -> None:
    for v in [v for _, v in r.rows if v["camera"] == "b"]:
        if v["t_mono_ns"] > 5 * S:
            everywhere(r, v, result="NOT_INSPECTED")


def a_refused_configuration_ends_it(r: Record) -> None:
    r.exits.append((6 * S, 2))


def a_committed_row_is_gone(r: Record) -> None:
    r.rows = [(run, v) for run, v in r.rows if v["number"] != 12]
    r.lines = [v for v in r.lines if v["number"] != 12]


def the_last_row_is_missing_and_nothing_tells_of_it(r: Record) -> None:
    r.rows.pop()
    r.lines.pop()
    r.totals = []


def the_end_of_a_run_is_missing_that_another_one_follows(r: Record) -> None:
    the_last_row_is_missing_and_nothing_tells_of_it(r)
    r.runs.append(("R2", 60 * S))
    r.ends["R2"] = r.ends[RUN]


def nothing_says_that_the_run_ended(r: Record) -> None:
    r.ends[RUN] = None


def a_line_is_missing(r: Record) -> None:
    r.lines.pop(5)


def a_row_says_something_else(r: Record) -> None:
    r.rows[8][1]["end_mm"] = 1.0


def the_gate_stays_open_after_a_defect(r: Record) -> None:
    r.gate = [(2 * S, True), (4 * S, False)]


def the_gate_stays_open_in_silence(r: Record) -> None:
    r.heard = [(t, m) for t, m in r.heard if m["t"] != "Heartbeat" or not 7 * S < t < 9 * S]
    r.gate = [(6 * S, True), (9 * S, False)]
    for _, m in r.heard:
        if m["t"] == "Verdict" and m["result"] != "PASS":
            m["result"] = "PASS"


PLANTS: tuple[tuple[str, str, Callable[[Record], None]], ...] = (
    ("I1", "cloth without a verdict", a_verdict_is_missing),
    ("I4", "too few told as lost", a_verdict_is_missing),
    ("I1", "more than one verdict on a frame", a_second_verdict_on_a_frame),
    ("I2", "PASS without a finite score of a frame", a_pass_without_a_score),
    ("I2", "PASS without a finite score of a frame", a_pass_with_an_infinite_score),
    ("I2", "PASS with a foreign score", a_pass_with_the_score_of_another_picture),
    ("I2", "PASS of a picture with a bar", a_bar_passes),
    ("I2", "PASS by another card_sha", a_pass_by_another_card),
    ("I2", "late PASS", a_late_pass),
    ("I1", "a verdict much too late", a_verdict_long_after_its_budget),
    ("I2", "PASS while nothing may pass", a_pass_in_fault),
    ("I1", "the line has lost its place", the_cloth_ran_faster_than_told),
    ("I1", "the line has lost its place", the_cloth_ran_further_than_told),
    ("I3", "totals do not add up", totals_do_not_add_up),
    ("I3", "totals do not add up", a_reason_is_not_counted),
    ("I3", "the record's totals are wrong", the_totals_on_record_are_of_more),
    ("I3", "a gap in numbers", a_word_was_never_heard),
    ("I4", "too many told as lost", a_loss_that_never_was),
    ("I5", "memory grows", memory_grows),
    ("I5", "handles grow", handles_grow),
    ("I5", "left behind", a_process_is_left),
    ("I6", "does not run again", it_is_not_well_again),
    ("I6", "does not run again", a_camera_is_not_judged_again),
    ("I6", "the line ended by itself", a_refused_configuration_ends_it),
    ("I7", "it was committed, and is gone", a_committed_row_is_gone),
    ("I7", "published, and nothing shows that it is missing", the_last_row_is_missing_and_nothing_tells_of_it),
    ("I7", "published, and nothing shows that it is missing", the_end_of_a_run_is_missing_that_another_one_follows),
    ("I7", "stopped in order, and the ledger does not say so", nothing_says_that_the_run_ended),
    ("I7", "verdicts.jsonl and the ledger differ", a_line_is_missing),
    ("I1", "the ledger says something else than what was published", a_row_says_something_else),
    ("GATE", "open after a bad word", the_gate_stays_open_after_a_defect),
    ("GATE", "open after a bad word", the_gate_stays_open_in_silence),
)


@pytest.mark.parametrize("cloth", [True, False])
def test_a_good_record_is_good(cloth: bool) -> None:
    assert check(recorded(cloth)) == []


@pytest.mark.parametrize(("invariant", "kind", "plant"), PLANTS, ids=[p[2].__name__ for p in PLANTS])
def test_a_planted_fault_is_found(invariant: str, kind: str, plant: Callable[[Record], None]) -> None:
    spoiled = recorded(cloth=True)
    plant(spoiled)
    found = check(spoiled)
    assert (invariant, kind) in {(v.invariant, v.kind) for v in found}, [str(v) for v in found]


@pytest.mark.parametrize(("ends", "seen"), [({RUN: None}, True), ({RUN: "2026-01-01"}, False), ({}, False)])
def test_the_end_of_a_run_that_was_cut_off_is_seen_to_be_missing(ends: dict[str, str | None], seen: bool) -> None:
    spoiled = recorded(cloth=True)
    the_end_of_a_run_is_missing_that_another_one_follows(spoiled)
    spoiled.ends = {"R2": "2026-01-02", **ends}
    found = {v.kind for v in check(spoiled) if v.invariant == "I7"}
    assert ("published, and nothing shows that it is missing" in found) is not seen


@pytest.mark.parametrize("told", [False, True])
def test_silence_by_the_clock_is_found_where_nothing_tells_of_it(told: bool) -> None:
    spoiled = recorded(cloth=False)
    silent = [v for v in passes(spoiled, "a") if 6 * S < v["t_mono_ns"] < 10 * S]
    for v in silent:
        remove(spoiled, v)
    if told:
        spoiled.rows.append((RUN, {
            **silent[0], "seq": None, "result": "NOT_INSPECTED", "reason": "CAMERA_DOWN",
            "from_ns": silent[0]["t_mono_ns"], "to_ns": silent[-1]["t_mono_ns"],
        }))  # fmt: skip
    assert ("silence without a verdict" in {v.kind for v in check(spoiled)}) is not told


def test_recovery_counts_from_the_deed_to_scores_of_pictures_taken_after_its_successor_began() -> None:
    record = recorded(cloth=True)
    ((deed, took_s),) = alone(record)
    after = [v for _, v in record.rows if v["t_mono_ns"] - 40 * MS > 5 * S + 20 * MS]
    judged_ns = max(next(v["t_mono_ns"] for v in after if v["camera"] == camera) for camera in "ab")
    assert deed.target == "worker" and took_s == pytest.approx((judged_ns + MS - 5 * S) / S)
    assert well_ns(record, record.heard[-1][0]) is None
    assert distribution([(deed, 1.0), (deed, 3.0)], standby=True)[0].endswith("1 of 2 within 2 s")
    assert distribution([(deed, 1.0), (deed, 3.0)], standby=False)[-1].endswith("2 of 2 within what is promised")
