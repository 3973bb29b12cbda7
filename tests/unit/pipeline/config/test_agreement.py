"""What the sections of a line must agree on: for each check a line that it alone refuses, and the words."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

import pipeline.config.line
from pipeline.config import agreement
from pipeline.config.agreement import CHECKS
from pipeline.config.line import LineConfig

LEFT = {"name": "left", "source": "basler", "serial": "1", "features": {"ExposureTime": 80.0}}
RIGHT = {"name": "right", "source": "replay", "path": ".", "mm_per_px_x": 0.2}
CONTACTS = {"kind": "modbus", "host": "h", "contacts": [{"name": "doffed", "address": 1, "says": "ROLL"}]}
SEAM = {"name": "seam", "address": 2, "says": "SEAM"}
PLC = {"kind": "modbus", "host": "h"}
GOOD: dict[str, Any] = {
    "cameras": [LEFT | {"mm_per_px_x": 0.2, "inspect_x_mm": [0, 810]}, RIGHT | {"inspect_x_mm": [810, 1600]}],
    "motion": {"source": "camera", "camera": "left", "counts_per_mm": 10},
    "styles": {"velvet": {"features": {"left": {"ExposureTime": 120.0}}}},
    "line": {"style": "velvet"},
    "actions": [{"when": "DEFECT", "do": "mark", "distance_mm": 1500}],
    "inputs": [CONTACTS],
    "outputs": [{"kind": "publisher"}, PLC],
}
CASES: list[tuple[Callable[[LineConfig], None], dict[str, Any], str]] = [
    (agreement.check_camera_names, {"cameras": [LEFT, LEFT]}, "cameras: names must differ, got ['left', 'left']"),
    (
        agreement.check_wire_names,
        {"outputs": [{"kind": "publisher"}, PLC, PLC]},
        "outputs and inputs: names must differ, also from decision, metrics, motion, recorder, recording, rolls, worker, "
        "got ['plc', 'plc', 'contacts']",
    ),
    (
        agreement.check_wire_names,
        {"outputs": [{"kind": "publisher"}, PLC | {"name": "worker"}]},
        "outputs and inputs: names must differ, also from decision, metrics, motion, recorder, recording, rolls, worker, "
        "got ['worker', 'contacts']",
    ),
    (
        agreement.check_contact_names,
        {"inputs": [CONTACTS, CONTACTS | {"name": "more"}]},
        "inputs: contacts' names must differ, got ['doffed', 'doffed']",
    ),
    (
        agreement.check_no_camera_is_a_process,
        {"cameras": [LEFT, RIGHT | {"name": "plc"}]},
        "cameras: plc is another process's name, choose a different one",
    ),
    (
        agreement.check_no_cloth_is_judged_twice,
        {"cameras": [RIGHT | {"inspect_x_mm": [800, 1600]}, LEFT | {"mm_per_px_x": 0.2, "inspect_x_mm": [0, 810]}]},
        "inspect_x_mm of left and right overlap: cloth from 800 mm would be judged twice",
    ),
    (
        agreement.check_motion_camera,
        {"motion": {"source": "camera", "camera": "middle", "counts_per_mm": 10}},
        "motion.camera: middle is none of the cameras ['left', 'right']",
    ),
    (agreement.check_publisher, {"outputs": [PLC]}, "outputs: exactly one publisher"),
    (agreement.check_publisher, {"outputs": [{"kind": "publisher"}] * 2}, "outputs: exactly one publisher"),
    (
        agreement.check_distances,
        {"motion": None},
        "actions: distance_mm needs `motion:`, nothing else says when the cloth is there",
    ),
    (
        agreement.check_first_style,
        {"line": {"style": "silk"}},
        "line.style: no such style silk, choose one of velvet",
    ),
    (
        agreement.check_style_features,
        {"styles": {"velvet": {"features": {"middle": {"Gain": 1}}}}},
        "styles.velvet.features.middle: no such camera, choose one of left, right",
    ),
    (
        agreement.check_lamps,
        {"cameras": [LEFT | {"lamp": {"columns_px": [0, 40], "level": 200}}, RIGHT]},
        "styles.velvet.features.left: the level of that camera's lamp holds for one setting only",
    ),
    (
        agreement.check_event_lengths,
        {"inputs": [CONTACTS, CONTACTS | {"name": "more", "contacts": [SEAM | {"length_mm": 50_001}]}]},
        "inputs: length_mm of contact seam: 50001 is over decision.longest_event_m, 50000 mm",
    ),
    (
        agreement.check_event_lengths,
        {"styles": {"velvet": {"events": {"transverse": "SEAM"}}}, "decision": {"longest_event_m": 0.05}},
        "styles.velvet.events.transverse_most_mm: 60 is over decision.longest_event_m, 50 mm",
    ),
]


def test_a_line_whose_sections_agree_passes_every_check() -> None:
    line = LineConfig.model_validate(GOOD)
    for check in CHECKS:
        check(line)


@pytest.mark.parametrize(("check", "change", "said"), CASES)
def test_what_does_not_agree_is_refused_by_one_check(
    check: Callable[[LineConfig], None], change: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError) as caught:
        LineConfig.model_validate(GOOD | change)
    assert caught.value.errors()[0]["msg"] == f"Value error, {said}"
    monkeypatch.setattr(pipeline.config.line, "CHECKS", ())
    line = LineConfig.model_validate(GOOD | change)
    assert [each for each in CHECKS if refuses(each, line)] == [check]


def test_every_check_has_a_line_here() -> None:
    assert {check for check, *_ in CASES} == set(CHECKS)


def refuses(check: Callable[[LineConfig], None], line: LineConfig) -> bool:
    try:
        check(line)
    except ValueError:
        return True
    return False
