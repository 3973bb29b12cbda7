"""What the demo says became of each defect that it had woven in."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.messages.states import Result
from pipeline.messages.verdicts import Region, Verdict
from pipeline.report import Injected, compare
from pipeline.report.roll import Summary, find_defects
from tools.verbs.demo import tell
from tools.verbs.display import answers


def test_a_defect_that_nobody_could_see_is_not_missed(capsys: pytest.CaptureFixture[str]) -> None:
    place = Region(x0_px=0, y0_px=0, x1_px=40, y1_px=40, score=0.75, x0_mm=30, x1_mm=38, y0_mm=10, y1_mm=18)
    seen = Verdict(
        number=0, generation=0, camera="left", boot_id="b", seq=0, result=Result.DEFECT, regions=(place,), t_mono_ns=0,
        t_utc_ns=0,
    )  # fmt: skip
    truth = [
        Injected(camera="left", kind=kind, y0_mm=y, y1_mm=y + 8, x0_mm=30, x1_mm=38)
        for kind, y in (("hole", 10), ("slub", 120), ("stain", 60))
    ]
    spans = [("left", "", 0.0, 100.0, "DEFECT", None), ("left", "", 100.0, 200.0, "NOT_INSPECTED", "NO_SCORE")]
    metres: dict[str, Any] = {"inspected_m": 0.1, "not_inspected_m": 0.1}
    summary = Summary.model_construct(**metres)
    tell(compare(find_defects([seen]), truth, 1.0, spans), summary, answers())
    told = capsys.readouterr().out.splitlines()
    ends = ["found, score 0.750", "not inspected: NO_SCORE", "MISSED"]
    assert [line.endswith(end) for line, end in zip(told[:3], ends, strict=True)] == [True] * 3
    assert told[3].startswith("3 injected, 1 found, 1 missed, 1 not inspected, 0 false alarms") and len(told) == 4
