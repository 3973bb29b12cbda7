"""Budgets in millimetres: the highest speed and the tallest slab that leave a verdict in time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glass_core.errors import InputError
from pipeline.config.line import LineConfig
from pipeline.supervision.reach import reaches


def line(speed_mm_s: float, **camera: Any) -> LineConfig:
    body = {"name": "c", "source": "replay", "path": ".", "rows": 256, "overlap_rows": 32, "mm_per_px_y": 0.25, **camera}
    motion = {"source": "simulated", "speed_mm_s": 10, "segments": [{"seconds": 1, "speed_mm_s": speed_mm_s}]}
    return LineConfig.model_validate({"cameras": [body], "motion": motion, "decision": {"budget_ms": 500}})


def test_speed_and_slab_that_keep_the_distance() -> None:
    (reach,) = reaches(line(1000, actuator_mm=600))
    assert (reach.most_mm_s, reach.most_rows) == (1056, 368)
    assert str(reach) == "camera c: in time for 600 mm up to 1056 mm/s; at 1000 mm/s slabs of up to 368 rows"
    assert reaches(line(1056, actuator_mm=600))  # just so


@given(st.floats(50, 5000), st.floats(1, 3000), st.integers(40, 4000))
def test_whatever_is_let_by_keeps_the_distance(actuator_mm: float, speed_mm_s: float, rows: int) -> None:
    try:
        (reach,) = reaches(line(speed_mm_s, actuator_mm=actuator_mm, rows=rows))
    except InputError:
        assert (rows + 32) * 0.25 + max(speed_mm_s, 10) * 0.5 > actuator_mm - 1e-6
    else:
        assert (rows + 32) * 0.25 + max(speed_mm_s, 10) * 0.5 <= actuator_mm + 1e-6
        assert reach.most_rows is not None and reach.most_rows >= rows


@pytest.mark.parametrize(
    ("speed_mm_s", "camera", "words"),
    [
        (1100, {"actuator_mm": 600}, "lower the speed to 1056 mm/s or rows to 168"),
        (1, {"actuator_mm": 50}, "lower the speed to 0 mm/s"),
        (1, {"actuator_mm": 50, "mm_per_px_y": None}, "without a scale"),
    ],
)
def test_what_comes_too_late_is_refused(speed_mm_s: float, camera: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        reaches(line(speed_mm_s, **camera))


def test_without_an_actuator_nothing_is_asked() -> None:
    assert reaches(line(9999)) == []
