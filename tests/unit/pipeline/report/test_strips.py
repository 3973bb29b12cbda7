"""The geometry of a roll's map: rows that grow with the cloth, and never hide what was not inspected."""

from __future__ import annotations

from typing import Any

from pipeline.messages.reasons import Reason
from pipeline.messages.states import Result
from pipeline.messages.verdicts import Verdict
from pipeline.report.strips import INSPECTED, ROWS, Strips

SCALES: dict[str, tuple[float | None, float]] = {"a": (0.2, 0.0), "b": (0.2, 90.0)}


def verdict(start_mm: float, end_mm: float, camera: str = "a", **changes: Any) -> Verdict:
    return Verdict.model_validate({
        "number": 0, "generation": 0, "camera": camera, "boot_id": "b", "seq": 3, "result": Result.PASS, "score": 0.1,
        "start_mm": start_mm, "end_mm": end_mm, "frame_shape": (100, 500), "t_mono_ns": 0, "t_utc_ns": 0, **changes,
    })  # fmt: skip


def damaged(start_mm: float, end_mm: float) -> Verdict:
    return verdict(start_mm, end_mm, result=Result.NOT_INSPECTED, reason=Reason.DAMAGED, score=None)


def test_a_map_that_grows_keeps_its_places_and_its_gaps() -> None:
    strips = Strips((1000.0, 1720.0), True, SCALES)
    strips.add(verdict(1000, 1720))
    strips.add(damaged(1100, 1100.5))
    assert list(strips.strips["a"].runs()) == [(0, 100, INSPECTED), (100, 101, "DAMAGED"), (101, ROWS, INSPECTED)]
    strips.reach(3000.0)
    assert strips.end == 1000 + 4 * 720
    assert list(strips.strips["a"].runs()) == [(0, 25, INSPECTED), (25, 26, "DAMAGED"), (26, 180, INSPECTED)]
    strips.add(verdict(2440, 2500))
    assert list(strips.strips["a"].runs())[-1] == (360, 375, INSPECTED)


def test_each_camera_lies_at_its_place_across() -> None:
    strips = Strips((0.0, 100.0), True, SCALES)
    strips.add(verdict(0, 50, "b"))
    assert strips.place()
    assert {s.camera: s.x for s in strips.strips.values()} == {"a": (0.0, 100.0), "b": (90.0, 190.0)}
    unknown = Strips((0.0, 100.0), True, {"a": (None, 0.0), "b": (0.2, 90.0)})
    unknown.add(verdict(0, 50, "b"))
    assert not unknown.place() and unknown.strips["b"].x == (1.1, 2.1)
