"""One frame's scores against the card in force: what is not known for sure passes nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.decision.judgement import judge, standard_of, unscored
from pipeline.messages.frames import NO_TIME, Announced, ScoreMap
from pipeline.messages.reasons import Reason
from pipeline.messages.states import FrameStatus, Result
from tests.decision_bench import LANES, MS, STANDARD

FRAME = Announced(
    camera="c", boot_id="b", seq=0, t_mono_ns=0, t_utc_ns=0, start_mm=-40.0, end_mm=10.0, x_offset_mm=300.0, sent=True,
    budget_ms=100.0, mm_per_px_x=2.0, mm_per_px_y=0.5,
)  # fmt: skip


def scored(lanes: tuple[float, ...], score: float = 0.1, **facts: Any) -> ScoreMap:
    body: dict[str, Any] = {
        "camera": "c", "boot_id": "b", "seq": 0, "generation": 0, "weights_sha": "weights", "engine_sha": "engine",
        "score": score, "lanes": lanes, "tiles": LANES, "frame_shape": (64, 160), **facts,
    }  # fmt: skip
    return ScoreMap(**body)


def with_cells(cells: np.ndarray, lanes: tuple[float, ...]) -> tuple[ScoreMap, tuple[bytes, ...]]:
    """A score of which the cells travel, and its payloads."""
    shown = scored(lanes, max(lanes), cells_shape=cells.shape, inspect_x_px=(0, 160))
    return shown, (cells.astype("<f4").tobytes(), bytes(64 * 160))


def test_without_a_card_or_a_score_nothing_passes() -> None:
    assert standard_of(None) is None
    fine = scored((0.1,) * LANES)
    for given, standard, reason in (
        (fine, None, Reason.NOT_READY),
        (fine.model_copy(update={"fault": NO_TIME}), STANDARD, Reason.NO_SCORE),
        (fine.model_copy(update={"fault": "too narrow"}), STANDARD, Reason.DAMAGED),
    ):
        found = judge(FRAME, given, (), standard)
        assert (found.result, found.reason) == (Result.NOT_INSPECTED, reason)
    assert judge(FRAME, fine, (), STANDARD).result is Result.PASS


def test_a_finite_score_of_no_lane_is_no_pass() -> None:
    found = judge(FRAME, scored(()), (), STANDARD)
    assert (found.result, found.reason) == (Result.NOT_INSPECTED, Reason.NOT_FINITE)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", range(LANES + 1))
def test_one_number_that_is_not_finite_is_no_pass_wherever_it_stands(at: int, bad: float) -> None:
    score, *lanes = (bad if at == place else 0.1 for place in range(LANES + 1))
    found = judge(FRAME, scored(tuple(lanes), score), (), STANDARD)
    assert (found.result, found.reason) == (Result.NOT_INSPECTED, Reason.NOT_FINITE)


@pytest.mark.parametrize(("last", "result"), [(0.3, Result.PASS), (0.31, Result.DEFECT)])
def test_a_lane_that_the_card_does_not_know_is_held_to_the_strictest_of_its_thresholds(last: float, result: Result) -> None:
    short = replace(STANDARD, thresholds=(0.3, 0.8))
    assert [short.threshold(lane) for lane in range(4)] == [0.3, 0.8, 0.3, 0.3]
    cells = np.full((8, 20), 0.1)
    cells[6, 17] = last
    found = judge(FRAME, *with_cells(cells, (0.1, 0.1, last)), short)
    assert found.result is result
    assert [(r.lane, r.x0_px, r.y0_px) for r in found.regions] == ([(2, 136, 48)] if result is Result.DEFECT else [])


def test_a_defect_lies_where_its_camera_looks_also_on_cloth_before_the_zero() -> None:
    cells = np.zeros((8, 20))
    cells[1, 9:12], cells[5, 0] = 0.9, 0.7
    found = judge(FRAME, *with_cells(cells, (0.7, 0.9, 0.0)), STANDARD)
    assert (found.result, found.regions_total) == (Result.DEFECT, 2)
    wide, small = found.regions
    assert (wide.x0_mm, wide.x1_mm, wide.y0_mm, wide.y1_mm) == (300 + 72 * 2, 300 + 96 * 2, -40 + 8 / 2, -40 + 16 / 2)
    assert (small.x0_mm, small.x1_mm, small.y0_mm, small.y1_mm) == (300, 316, -20, -16)
    assert found.above_mm == (-36, -16)
    unknown = FRAME.model_copy(update={"mm_per_px_x": None, "start_mm": None, "end_mm": None})
    bare = judge(unknown, *with_cells(cells, (0.7, 0.9, 0.0)), STANDARD)
    assert bare.result is Result.DEFECT and bare.above_mm is None
    assert {(r.x0_mm, r.x1_mm, r.y0_mm, r.y1_mm) for r in bare.regions} == {(None,) * 4}


def test_cells_that_are_not_finite_are_no_grounds_though_every_lane_is_a_number() -> None:
    cells = np.zeros((8, 20))
    cells[2, 2], cells[7, 19] = 0.9, math.nan
    found = judge(FRAME, *with_cells(cells, (0.9, 0.0, 0.0)), STANDARD)
    assert (found.result, found.reason, found.regions) == (Result.NOT_INSPECTED, Reason.NOT_FINITE, ())


@pytest.mark.parametrize(
    ("facts", "ready", "at_ms", "reason", "detail"),
    [
        ({"status": FrameStatus.LAMP, "error": "dark"}, False, 0, Reason.LAMP, "dark"),
        ({"status": FrameStatus.DAMAGED, "error": "40 rows"}, True, 0, Reason.DAMAGED, "40 rows"),
        ({}, False, 0, Reason.NOT_READY, "the worker is not ready"),
        ({}, True, 101, Reason.NO_SCORE, ""),
        ({"sent": False}, True, 0, Reason.OVERLOAD, ""),
        ({"t_mono_ns": 2500 * MS}, True, 500, Reason.NO_SCORE, "its time is 2000 ms ahead of this machine's clock"),
        ({"t_mono_ns": 2500 * MS}, True, 2500, Reason.NO_SCORE, ""),
        ({"t_mono_ns": 2500 * MS, "budget_ms": None}, True, 500, Reason.NO_SCORE, ""),
    ],
)  # fmt: skip
def test_why_a_frame_has_no_score(facts: dict[str, Any], ready: bool, at_ms: int, reason: Reason, detail: str) -> None:
    found = unscored(FRAME.model_copy(update=facts), ready, at_ms * MS)
    assert (found.result, found.reason, found.detail) == (Result.NOT_INSPECTED, reason, detail)
