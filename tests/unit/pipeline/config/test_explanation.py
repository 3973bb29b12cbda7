"""A line's file that cannot be used: the exact line that says so, and no traceback for any document."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_core.config import TrainConfig, load_train_config
from glass_core.errors import InputError
from pipeline.config.cards import load_config
from pipeline.config.line import LineConfig

SECTIONS = ", ".join(LineConfig.model_fields)
TEXT = "it should be a valid string"
QUOTE = ", put text in quotes"
NUMBER = ": write a finite decimal number, or put text in quotes"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lin: {}", f"unknown key lin, {{path}}:1, did you mean line; use one of {SECTIONS}"),
        (
            "decision:\n  budget: 5",
            "unknown key decision.budget, {path}:2, did you mean budget_ms; use one of budget_ms, recording_floor, "
            "longest_event_m",
        ),
        ("styles: {a b: {xyz: 1}}", "unknown key styles['a b'].xyz, {path}:1, use one of model, features, events"),
        ("styles: {'': {}}", "bad value '' for styles[''], {path}:1, it should have at least 1 character"),
        (
            "cameras:\n- {name: a, source: replay, path: .}\n- name: b\n  source: webcam",
            "bad value 'webcam' for cameras[1].source, {path}:4, give one of 'basler', 'replay', 'weave'",
        ),
        ("cameras: [{name: a}]", "missing key cameras[0].source, {path}:1, give one of 'basler', 'replay', 'weave'"),
        ("cameras: [{name: a, source: basler}]", "missing key cameras[0].serial, {path}:1, add it"),
        (
            "cameras:\n- name: a\n  source: basler\n  serial: 12",
            "bad value 12 for cameras[0].serial, {path}:4, {text}; without quotes it reads as 12{quote}",
        ),
        (
            "cameras: [{name: a, source: replay, path: 7}]",
            "bad value 7 for cameras[0].path, {path}:1, it should be a valid path; without quotes it reads as 7{quote}",
        ),
        (
            "cameras: [{name: a, source: replay, path: ., inspect_x_px: [1, x]}]",
            "bad value 'x' for cameras[0].inspect_x_px[1], {path}:1, it should be a valid integer",
        ),
        (
            "cameras: [{name: a, source: replay, path: ., rows: 8, overlap_rows: 8}]",
            "bad settings under cameras[0], {path}:1, overlap_rows 8 must be below rows 8",
        ),
        ("cameras: {a: 1}", "cameras is a mapping, {path}:1, give a list"),
        ("cameras:\n-", "cameras[0] is nothing, {path}:2, give a mapping of settings"),
        ("line: 3", "line is 3, {path}:1, give a mapping of settings"),
        ("line: {style: no}", "bad value no for line.style, {path}:1, {text}; without quotes it reads as false{quote}"),
        ("line: {roll_id: 1e3}", "bad value 1e3 for line.roll_id, {path}:1, {text}; without quotes it reads as 1000.0{quote}"),
        ("line: {roll_id: 007}", "bad value 007 for line.roll_id, {path}:1, it reads as 7{number}"),
        ("decision: {budget_ms: 1:30}", "bad value 1:30 for decision.budget_ms, {path}:1, it reads as 90{number}"),
        ("decision: {budget_ms: '12'}", "bad value '12' for decision.budget_ms, {path}:1, it should be a valid number"),
        ("decision: {budget_ms: yes}", "bad value yes for decision.budget_ms, {path}:1, it should be a valid number"),
        ("decision: {budget_ms: 0}", "bad value 0 for decision.budget_ms, {path}:1, it should be greater than 0"),
        (
            "worker: {backend: off}",
            "bad value off for worker.backend, {path}:1, it should be "
            "'auto', 'torch', 'openvino' or 'tensorrt'; without quotes it reads as false{quote}",
        ),
        (
            "motion: {source: camera, camera: 3, counts_per_mm: 1}",
            "bad value 3 for motion.camera, {path}:1, {text}; without quotes it reads as 3{quote}",
        ),
        (
            "motion: {source: camera, camera: a, counts_per_mm: 0}",
            "bad settings under motion, {path}:1, counts_per_mm must be at least 0.001, or at most -0.001: a count a metre "
            "tells no place",
        ),
        (
            "motion: {source: camera, camera: a, counts_per_mm: 1}",
            "bad settings, {path}, motion.camera: a is none of the cameras []",
        ),
        (
            "outputs:\n- {kind: publisher}\n- {kind: pigeon}",
            "bad value 'pigeon' for outputs[1].kind, {path}:3, "
            "give one of 'folder', 'modbus', 'mqtt', 'opcua', 'publisher', 'webhook'",
        ),
        (
            "inputs: [{kind: modbus, host: a, contacts: [{name: x, address: 0, says: SEEM}]}]",
            "bad value 'SEEM' for inputs[0].contacts[0].says, {path}:1, "
            "it should be 'SEAM', 'LEAD', 'STOP_MARK' or 'WRINKLE' or 'ROLL'",
        ),
        (
            "train:\n  epochs: 3\n  epoch: 3\n  split: 2",
            "unknown key train.epoch, {path}:3, did you mean epochs; use one of " + ", ".join(TrainConfig.model_fields),
        ),
        (
            "train: {split: {trian: 1}}",
            "unknown key train.split.trian, {path}:1, did you mean train; use one of train, calibration, selection",
        ),
        ("train: {light: '0.1'}", "bad value '0.1' for train.light, {path}:1, it should be a valid number"),
        (
            "train: {overlap_px: 152}",
            "bad settings under train, {path}:1, overlap_px (152) must be at most half of tile_px (288)",
        ),
        ("", "config is empty, {path}, begin with `line:`"),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_wrong_is_told_on_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert str(caught.value) == said.format(path=path, text=TEXT, quote=QUOTE, number=NUMBER)


def test_words_for_true_and_false_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text("cameras: [{name: a, source: replay, path: ., loop: on}]\ntrain: {recalibrate_bn: no, lr: 1e-4}")
    assert load_config(path).cameras[0].model_dump()["loop"] is True
    assert (load_train_config(path).recalibrate_bn, load_train_config(path).lr) == (False, 1e-4)


def test_a_training_is_echoed_into_the_hash_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text("train: {epochs: 3, levels: [2, 3]}")
    assert load_config(path).train == {"epochs": 3, "levels": [2, 3]}
    assert load_config(path).sha == LineConfig.model_validate({"train": {"epochs": 3, "levels": [2, 3]}}).sha


WHOLE = """
line: {name: loom, roll_id: r, events: {SEAM: record}, inspection_ok: {tolerate_not_inspected_mm: 500}}
styles: {twill: {model: m, features: {left: {ExposureTime: 90.0}}, events: {LEAD: grade}}}
model: m
motion: {source: modbus, host: h, register: 0, counts_per_mm: 10}
cameras:
- {name: left, source: basler, serial: "1", features: {ExposureTime: 80.0}, rows: 256, trigger: {selector: LineStart},
   inspect_x_px: [1, 2], mm_per_px_x: 0.2}
- {name: right, source: weave, defects: [{kind: hole, at_mm: 1, x_mm: 2, size_mm: 3}], lamp: {columns_px: [0, 9], level: 90}}
worker: {max_batch: 16}
decision: {budget_ms: 500}
grading: {rules: d5430-mm-1, limits_mm: [1, 2, 3]}
actions: [{when: DEFECT, do: mark, distance_mm: 3, lanes: [1]}]
inputs: [{kind: modbus, host: h, contacts: [{name: seam, address: 0, says: SEAM, length_mm: 3}]}]
outputs: [{kind: publisher}, {kind: modbus, host: h}]
ledger: {path: out/ledger.sqlite}
train: {profile: quick, levels: [2, 3], split: {train: 0.8}, inspect_x_px: [0, 9]}
"""
WORDS = [
    "replay",
    "basler",
    "camera",
    "udp",
    "simulated",
    "publisher",
    "DRIFT",
    "paper",
    "left",
    "source",
    "kind",
    "[key]",
    "",
    "\t",
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS), st.text(max_size=5),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.data(), VALUES, st.sampled_from(WORDS) | st.none())
def test_no_document_gives_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, value: Any, key: str | None
) -> None:
    """Any place of a whole file takes any value, or gets it under a key beside the others."""
    body: Any = yaml.safe_load(WHOLE)
    here = body
    while True:
        step = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[step], dict | list) or not data.draw(st.booleans()):
            break
        here = here[step]
    here[key if key is not None and isinstance(here, dict) else step] = value
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
    for load in (load_config, load_train_config):
        try:
            load(path)
        except InputError as error:
            assert "\n" not in str(error)


def test_the_document_above_is_one_that_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(WHOLE)
    load_config(path)
    load_train_config(path)
