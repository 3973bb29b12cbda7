"""Decision: exactly one verdict a frame, and no pass on bad grounds."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.messages.actions import Reject
from pipeline.messages.commands import MarkEvent
from pipeline.messages.domains import MAX_REGIONS
from pipeline.messages.frames import ScoreMap
from pipeline.messages.line import Totals
from pipeline.messages.passages import SAMPLED, Step
from pipeline.messages.reasons import Reason
from pipeline.messages.states import EventKind, FrameStatus, Result
from pipeline.messages.verdicts import Verdict
from tests.decision_bench import LANES, MS, STANDARD, Bench, outcome, specks


def test_pass_and_defect_by_lane() -> None:
    bench = Bench()
    for seq, (value, lane) in enumerate([(0.5, 0), (0.55, 0), (0.6, 1), (0.61, 1)]):
        bench.announce(seq)
        bench.score(seq, value, lane=lane)
    got = bench.verdicts()
    assert [v.result for v in got] == [Result.PASS, Result.DEFECT, Result.PASS, Result.DEFECT]
    (region,) = got[3].regions
    assert (region.x0_px, region.y0_px, region.x1_px, region.y1_px) == (72, 24, 80, 32)
    assert (region.x0_mm, region.x1_mm, region.y0_mm, region.y1_mm) == (144, 160, 162, 166)
    assert [v.number for v in got] == [0, 1, 2, 3] and {v.generation for v in got} == {3}
    assert (got[0].weights_sha, got[0].engine_sha, got[0].card_sha) == ("weights", "engine", "card")


def test_a_defect_carries_cells_and_pixels_to_the_recorder_and_a_reject_at_once() -> None:
    bench = Bench()
    bench.announce(0, start_mm=200.0)
    bench.score(0, 0.9, lane=2)
    bench.decision.step(0)
    verdict, payloads = next(r for r in bench.recorder.queue if isinstance(r[0], Verdict))
    assert isinstance(verdict, Verdict) and verdict.cells_shape == (8, 20) and len(payloads) == 2
    (reject,) = bench.air.take(Reject)
    assert (reject.cause, reject.start_mm, reject.end_mm, reject.x0_mm, reject.verdict) == (Result.DEFECT, 200, 250, 272, 0)


@given(st.integers(1, 40), st.integers(0, 1000))
def test_of_many_regions_the_strongest_travel_and_the_number_of_all(count: int, seed: int) -> None:
    bench, cells = Bench(), specks(count, seed)
    bench.announce(0)
    bench.score_cells(0, cells)
    (verdict,) = bench.verdicts()
    assert verdict.regions_total == count
    assert [r.score for r in verdict.regions] == sorted(cells[cells > 0], reverse=True)[:MAX_REGIONS]


@pytest.mark.parametrize("beside", [False, True])
def test_a_region_that_was_left_out_may_lie_beside_the_seam(beside: bool) -> None:
    bench = Bench()
    bench.move(0.0)
    bench.inbox.send(MarkEvent(kind=EventKind.SEAM, at_mm=0.0, length_mm=50.0))
    cells = np.zeros((8, 20), "<f4")
    cells[:4:2, ::2] = 0.9  # 20 regions at 36 to 48 mm, more than a verdict lists
    cells[6, 0] = 0.7 * beside  # at 60 mm
    bench.announce(0, start_mm=36.0, end_mm=68.0)
    bench.score_cells(0, cells)
    verdict = bench.verdicts()[-1]  # before it the cloth that no frame showed
    assert verdict.regions_total == 20 + beside and all(r.y1_mm is not None and r.y1_mm <= 48 for r in verdict.regions)
    assert verdict.event is (None if beside else EventKind.SEAM)


@pytest.mark.parametrize(
    ("value", "facts", "reason"),
    [
        (math.nan, {}, Reason.NOT_FINITE),
        (0.1, {"engine": "other"}, Reason.MODEL_MISMATCH),
        (0.1, {"fault": "too narrow"}, Reason.DAMAGED),
    ],
)
def test_no_pass_on_bad_grounds(value: float, facts: dict[str, str], reason: Reason) -> None:
    bench = Bench()
    bench.announce(0)
    bench.score(0, value, **facts)  # type: ignore[arg-type]
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.NOT_INSPECTED, reason)]


@given(st.lists(st.floats(width=32), min_size=LANES, max_size=LANES), st.floats(width=32))
def test_every_float_passes_only_when_finite_and_under_the_threshold(lanes: list[float], score: float) -> None:
    bench = Bench()
    bench.announce(0)
    cells = np.zeros((8, 20), "<f4")
    for column, value in zip((2, 9, 17), lanes, strict=True):
        cells[0, column] = value
    bench.inbox.send(
        ScoreMap(
            camera="c", boot_id="b", seq=0, generation=0, weights_sha="weights", engine_sha="engine", score=score,
            lanes=tuple(lanes), tiles=3, frame_shape=(64, 160), inspect_x_px=(0, 160), cells_shape=(8, 20),
        ),
        cells.tobytes(), bytes(64 * 160),
    )  # fmt: skip
    (verdict,) = bench.verdicts()
    good = all(s <= t for s, t in zip(lanes, STANDARD.thresholds, strict=True)) and math.isfinite(score)
    assert (verdict.result is Result.PASS) == (good and all(math.isfinite(s) for s in lanes))
    if verdict.result is Result.DEFECT:
        assert verdict.regions


def test_unsent_damaged_and_late_frames() -> None:
    bench = Bench()
    bench.announce(0, sent=False)
    bench.announce(1, status=FrameStatus.DAMAGED, sent=False, error="half a buffer")
    bench.announce(2)
    assert [outcome(v) for v in bench.verdicts()] == [
        (0, Result.NOT_INSPECTED, Reason.OVERLOAD),
        (1, Result.NOT_INSPECTED, Reason.DAMAGED),
    ]
    assert bench.verdicts(100 * MS) == []
    assert [outcome(v) for v in bench.verdicts(100 * MS + 1)] == [(2, Result.NOT_INSPECTED, Reason.NO_SCORE)]
    bench.score(2)
    assert bench.verdicts(600 * MS) == []
    assert bench.air.take(Totals)[-1].late_scores == 1


def test_a_score_found_after_the_deadline_is_late_even_when_decision_itself_was_held_up() -> None:
    bench = Bench()
    bench.announce(0)
    bench.decision.step(0)
    bench.score(0)
    assert [outcome(v) for v in bench.verdicts(5000 * MS)] == [(0, Result.NOT_INSPECTED, Reason.NO_SCORE)]
    assert bench.decision._totals(0).late_scores == 1


def test_a_score_above_the_threshold_without_its_cells_is_not_inspected() -> None:
    bench = Bench()
    bench.announce(0)
    bench.inbox.send(
        ScoreMap(
            camera="c", boot_id="b", seq=0, generation=0, weights_sha="weights", engine_sha="engine", score=0.9,
            lanes=(0.9, 0.0, 0.0), tiles=3, frame_shape=(64, 160),
        )
    )  # fmt: skip
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.NOT_INSPECTED, Reason.MODEL_MISMATCH)]


def test_a_score_may_come_before_its_announcement_and_announcements_count_once() -> None:
    bench = Bench()
    bench.score(0)
    assert bench.verdicts() == []
    bench.announce(0)
    bench.announce(0)
    assert [outcome(v) for v in bench.verdicts()] == [(0, Result.PASS, None)]


def test_without_a_ready_worker_the_reason_is_not_ready() -> None:
    bench = Bench(ready=False)
    bench.announce(0)
    assert [outcome(v) for v in bench.verdicts(0) + bench.verdicts(101 * MS)] == [(0, Result.NOT_INSPECTED, Reason.NOT_READY)]


def test_replay_has_no_deadline() -> None:
    bench = Bench()
    bench.announce(0, budget_ms=None)
    assert bench.verdicts(0) == bench.verdicts(10**15) == []
    bench.score(0)
    assert [v.result for v in bench.verdicts(2 * 10**15)] == [Result.PASS]


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_any_order_of_messages_gives_one_verdict_a_frame(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench(cameras=("a", "b"))
    todo = []
    for camera in ("a", "b"):
        for seq in range(8):
            fate = rng.choice(["good", "bad", "silent", "unsent", "twice"])
            todo.append((camera, seq, fate))
    scores = [t for t in todo if t[2] not in ("silent", "unsent")]
    rng.shuffle(scores)
    announcements = [[t for t in todo if t[0] == c] for c in ("a", "b")]
    while scores or any(announcements):
        line = rng.choice([*announcements, scores])
        if not line:
            continue
        camera, seq, fate = line.pop(0)
        if line is scores:
            for _ in range(2 if fate == "twice" else 1):
                bench.score(seq, 0.9 if fate == "bad" else 0.1, camera=camera)
        else:
            bench.announce(seq, camera=camera, sent=fate != "unsent")
        if rng.random() < 0.3:
            bench.decision.step(0)
    for _ in range(3):
        bench.decision.step(0)
    bench.decision.step(101 * MS)
    got = {(v.camera, v.seq): v.result for v in bench.air.take(Verdict)}
    expected = {"good": Result.PASS, "twice": Result.PASS, "bad": Result.DEFECT}
    assert got == {(c, s): expected.get(f, Result.NOT_INSPECTED) for c, s, f in todo}
    assert bench.decision._totals(0).verdicts == len(todo)


@pytest.mark.parametrize(
    ("facts", "cells", "reason"),
    [
        ({}, np.zeros((8, 20), "<f4"), None),
        ({"cells_shape": (8, 19)}, np.zeros((8, 19), "<f4"), Reason.MODEL_MISMATCH),
        ({"lanes": (0.9, 0.0)}, np.zeros((8, 20), "<f4"), Reason.MODEL_MISMATCH),
        ({"inspect_x_px": (0, 200)}, np.zeros((8, 20), "<f4"), Reason.MODEL_MISMATCH),
        ({}, np.full((8, 20), np.inf, "<f4"), Reason.NOT_FINITE),
    ],
)
def test_scores_that_cannot_be_of_the_picture_judge_nothing(
    facts: dict[str, Any], cells: np.ndarray, reason: Reason | None
) -> None:
    bench = Bench()
    bench.announce(0)
    whole = {
        "camera": "c", "boot_id": "b", "seq": 0, "generation": 0, "weights_sha": "weights", "engine_sha": "engine",
        "score": 0.9, "lanes": (0.9, 0.0, 0.0), "tiles": 3, "frame_shape": (64, 160), "cells_shape": (8, 20),
    }  # fmt: skip
    bench.inbox.send(ScoreMap.model_validate(whole | facts), cells.tobytes(), bytes(64 * 160))
    (verdict,) = bench.verdicts()
    assert verdict.reason is reason and (verdict.result is Result.DEFECT) == (reason is None)


def test_starts_of_cameras_are_forgotten_in_the_order_in_which_they_fell_silent() -> None:
    bench = Bench()
    for n in range(1100):
        bench.announce(0, boot=f"b{n}", sent=False)
        bench.announce(n, boot="lives", sent=False)
        bench.decision.step(0)
    assert len(bench.decision._matching._last) <= 1024
    assert [v.lost for v in bench.air.take(Verdict) if v.lost] == []


def test_a_frame_of_an_older_boot_gets_its_one_verdict_too() -> None:
    bench = Bench()
    for seq, boot in ((0, "old"), (0, "new"), (1, "old"), (1, "new"), (1, "old")):
        bench.announce(seq, start_mm=100.0 * seq + 50.0 * (boot == "new"), boot=boot)
        bench.score(seq, boot=boot)
    told = bench.verdicts()
    assert [(v.boot_id, v.seq, v.result) for v in told] == [
        (boot, seq, Result.PASS) for seq, boot in ((0, "old"), (0, "new"), (1, "old"), (1, "new"))
    ]
    assert bench.decision._totals(0).duplicates == 1


def test_a_seq_that_goes_back_speaks_for_no_cloth() -> None:
    bench = Bench()
    bench.move(0.0)
    bench.announce(0, start_mm=-50.0, sent=False)
    for seq, start_mm in ((3, 0.0), (1, 50.0), (2, 100.0)):
        bench.announce(seq, start_mm=start_mm)
        bench.score(seq)
    bench.move(160.0, 10.0)
    _, lost, *told = bench.verdicts()
    assert (lost.seq, lost.lost) == (None, 2)
    assert [(v.seq, v.start_mm, v.result) for v in told] == [(3, 0, Result.PASS), (None, 50, Result.NOT_INSPECTED)]
    assert bench.decision._totals(0).duplicates == 2


def test_a_frame_announced_twice_is_decided_once_whatever_it_says_the_second_time() -> None:
    bench = Bench()
    bench.announce(0)
    bench.announce(0, sent=False, start_mm=500.0)
    bench.score(0)
    bench.announce(0, status=FrameStatus.DAMAGED)
    bench.score(0)
    assert [(outcome(v), v.start_mm) for v in bench.verdicts()] == [((0, Result.PASS, None), 0)]


def test_of_a_sampled_frame_it_is_known_when_it_was_decided_and_published() -> None:
    bench, begun_ns = Bench(), time.monotonic_ns()
    for seq in range(SAMPLED + 2):
        bench.announce(seq)
        bench.score(seq, 0.1)
    verdicts = {v.seq: v for v in bench.verdicts()}
    passed = {p.seq: p.steps for p in bench.decision.trail.take()}
    assert passed.keys() == {0, SAMPLED} <= verdicts.keys()
    assert passed[SAMPLED].keys() == {Step.DECIDED, Step.PUBLISHED}
    # Not the verdict's own time, which is that of the step: it may have begun before the score was sent.
    assert begun_ns <= passed[SAMPLED][Step.DECIDED] <= passed[SAMPLED][Step.PUBLISHED]
