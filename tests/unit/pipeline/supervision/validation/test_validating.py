"""What is found of a line without starting it: files, cards, cameras, speeds, and the engine beside the demand."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from glass_core.engines.bundle import ForeignDevice
from glass_core.errors import InputError
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from pipeline.ledger.store import Ledger
from pipeline.ledger.tables import SCHEMA
from pipeline.ledger.writer_lock import lock
from pipeline.messages.states import State
from pipeline.supervision import running
from pipeline.supervision.validation import validating
from pipeline.supervision.validation.measuring import Measured
from tests.line_stand_in import stand_in

DEFINITION = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=0))
CAMERA = {
    "name": "a", "source": "weave", "width_px": 256, "frame_rows": 64, "mm_per_px_x": 0.5, "mm_per_px_y": 0.5, "frames": 3,
}  # fmt: skip
MOVING = {"source": "simulated", "speed_mm_s": 320}


def found(folder: Path, **change: Any) -> dict[tuple[str, str], list[str]]:
    """The findings of a small line, by what they are about and their status."""
    body = {"line": {"name": "v"}, "cameras": [CAMERA], "motion": MOVING, "ledger": {"path": str(folder / "out/ledger.sqlite")}}
    (folder / "line.yaml").write_text(yaml.safe_dump(body | change))
    told: dict[tuple[str, str], list[str]] = {}
    result = validating.validate(folder / "line.yaml")
    for finding in result.findings:
        told.setdefault((finding.about, finding.status), []).append(finding.text)
    assert result.valid is not any(status == "error" for _, status in told)
    return told


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One with four tiles in each picture of the line; 100 tiles/s are measured."""
    (tmp_path / "model").mkdir()
    info = SimpleNamespace(score=DEFINITION, arch="embedded")
    monkeypatch.setattr(validating, "read_info", lambda folder: info)
    monkeypatch.setattr(running, "read_info", lambda folder: info)
    monkeypatch.setattr(validating, "load_card", lambda folder: SimpleNamespace(provisional=False))
    measured = Measured(tiles_per_s=100, engine="torch fp32 on cpu")
    monkeypatch.setattr(validating, "measure_engines", lambda line: measured)
    return str(tmp_path / "model")


def test_a_line_without_a_model_can_record(tmp_path: Path) -> None:
    told = found(tmp_path)
    assert told["settings", "ok"] == ["line v, 1 camera"]
    assert told["cameras", "ok"] == ["a, weave, 256 x 64 px"]
    assert len(told["model", "warning"]) == 1 and not any(status == "error" for _, status in told)
    assert not (tmp_path / "out").exists(), "nothing is made"


def test_the_engine_is_set_beside_what_the_cameras_ask_for(tmp_path: Path, model: str) -> None:
    told = found(tmp_path, model=model)
    (text,) = told["engine", "ok"]  # 4 tiles a frame of 32 mm: 40 tiles/s at 320 mm/s, 100 at 800 mm/s
    assert text == "torch fp32 on cpu: 100.0 tiles/s, enough for 48.0 m/min; cameras and budget ask for 40.0"
    told = found(tmp_path, model=model, cameras=[CAMERA, {**CAMERA, "name": "b"}, {**CAMERA, "name": "c"}])
    (text,) = told["engine", "error"]
    assert "ask for 120.0 tiles/s, the engine does 100.0" in text


def test_a_bundle_that_the_line_compiles_again_is_not_measured(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = ForeignDevice("compiled for another GPU, model, compile it here")
    monkeypatch.setattr(validating, "is_bundle", lambda folder: True)
    monkeypatch.setattr(validating, "is_foreign", lambda folder: foreign)

    def refuse(line: object) -> Measured:
        raise foreign

    monkeypatch.setattr(validating, "measure_engines", refuse)
    assert found(tmp_path, model=model)["engine", "error"] == [str(foreign)]
    (text,) = found(tmp_path, model=model, worker={"on_foreign_device": "recompile"})["engine", "warning"]
    assert text.startswith("compiled for another GPU: ")


def test_a_camera_whose_rate_nobody_says_is_named(tmp_path: Path, model: str) -> None:
    told = found(tmp_path, model=model, motion=None, cameras=[{**CAMERA, "rate": 2.0}, {**CAMERA, "name": "b"}])
    (text,) = told["engine", "warning"]
    assert "camera b," in text and "motion" in text
    assert ("cloth", "warning") in told


def test_what_is_missing_is_told_all_at_once(tmp_path: Path, model: str) -> None:
    key = tmp_path / "webhook.key"
    outputs = [
        {"kind": "publisher"},
        {"kind": "webhook", "url": "http://127.0.0.1/x", "key_file": str(key)},
        {"kind": "folder", "path": str(tmp_path / "mes")},
    ]
    cameras = [{**CAMERA, "flatfield": str(tmp_path / "no.json"), "lamp": None}]
    told = found(tmp_path, model=str(tmp_path / "nowhere"), outputs=outputs, cameras=cameras)
    assert [text.split(":")[0] for text in told["files", "error"]] == ["nothing there, outputs[1].key_file"]
    assert [text.split(":")[0] for text in told["files", "warning"]] == ["not to be written, outputs[2].path"]
    assert "no.json" in told["cards", "error"][0] and "nowhere" in told["model", "error"][0]
    key.write_text("k")
    (tmp_path / "mes").mkdir()
    told = found(tmp_path, model=model, outputs=outputs)
    assert told["files", "error"] == [f"key of the webhook may be read by others, {key}, run: chmod 600 {key}"]
    key.chmod(0o600)
    told = found(tmp_path, model=model, outputs=outputs)
    assert len(told["files", "ok"]) == 2 and ("files", "error") not in told


def test_a_place_where_no_record_can_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = found(tmp_path, ledger={"path": str(tmp_path / "file/ledger.sqlite")})
    assert "ledger.path" in told["record", "error"][0]


def test_a_ledger_that_a_run_refuses_is_an_error(tmp_path: Path) -> None:
    def told(name: str) -> dict[tuple[str, str], list[str]]:
        return found(tmp_path, ledger={"path": str(tmp_path / name)})

    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("not a ledger, but somebody's")
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "empty").touch()
    for name, version in (("newer", SCHEMA + 1), ("foreign", 0), ("ours", SCHEMA)):
        with closing(sqlite3.connect(tmp_path / name)) as db:
            db.executescript(f"CREATE TABLE t (a); PRAGMA user_version={version};")
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in told("pipe")["record", "error"][0]
    before = sorted(tmp_path.iterdir())
    for name in ("folder", "text", "link", "newer", "foreign"):
        (text,) = told(name)["record", "error"]
        assert str(tmp_path / name) in text
        with pytest.raises(InputError):
            Ledger(tmp_path / name)
    assert [path for path in sorted(tmp_path.iterdir()) if path.suffix != ".lock"] == before, "nothing is made"
    for name in ("empty", "ours", "new"):
        assert ("record", "error") not in told(name)
    handle = lock(tmp_path / "ours")
    assert "in use by another line" in told("ours")["record", "error"][0]
    with stand_in("v", State.RUNNING, lambda word: {}):
        assert ("record", "error") not in told("ours"), "it may be this line that has it"
    os.close(handle)


def test_a_password_that_nobody_has_set_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mqtt = {"kind": "mqtt", "name": "broker", "host": "broker", "user": "u", "password_env": "GLASSLINE_TEST_PASSWORD"}
    monkeypatch.delenv("GLASSLINE_TEST_PASSWORD", raising=False)
    outputs = [{"kind": "publisher"}, mqtt]
    assert "GLASSLINE_TEST_PASSWORD" in found(tmp_path, outputs=outputs)["files", "error"][0]
    monkeypatch.setenv("GLASSLINE_TEST_PASSWORD", "secret")
    assert ("files", "error") not in found(tmp_path, outputs=outputs)


def test_a_key_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    webhook = {"kind": "webhook", "url": "http://127.0.0.1/x", "key_file": str(tmp_path / "key")}
    assert "no file" in found(tmp_path, outputs=[{"kind": "publisher"}, webhook])["files", "error"][0]


def test_a_folder_for_recordings_is_made_by_the_line(tmp_path: Path) -> None:
    told = found(tmp_path, recording={"folder": str(tmp_path / "not/yet")})
    assert ("files", "error") not in told and ("files", "warning") not in told and not (tmp_path / "not").exists()
    (tmp_path / "file").touch()
    assert "recording.folder" in found(tmp_path, recording={"folder": str(tmp_path / "file/below")})["files", "warning"][0]


@pytest.mark.parametrize(("actuator_mm", "status"), [(400, "ok"), (150, "error")])
def test_reach_is_told_with_the_highest_speed(tmp_path: Path, actuator_mm: int, status: str) -> None:
    told = found(tmp_path, cameras=[{**CAMERA, "actuator_mm": actuator_mm}])
    (text,) = told["reach", status]
    assert "800 mm/s (48 m/min)" in text if status == "ok" else "too late" in text


def test_a_stop_that_nothing_carries_is_told(tmp_path: Path) -> None:
    actions = [{"when": "DEFECT", "do": "stop"}]
    assert "stop" in found(tmp_path, actions=actions)["machine", "warning"][0]
    plc = [{"kind": "publisher"}, {"kind": "modbus", "host": "plc"}]
    assert ("machine", "warning") not in found(tmp_path, actions=actions, outputs=plc)


def test_beside_a_line_that_runs_neither_camera_nor_engine_is_touched(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*args: object) -> object:
        raise AssertionError("touched")

    monkeypatch.setattr(validating, "ask_camera", touched)
    monkeypatch.setattr(validating, "measure_engines", touched)
    with stand_in("v", State.RUNNING, lambda word: {}):
        told = found(tmp_path, model=model)
    assert "runs" in told["settings", "warning"][0] and ("engine", "ok") not in told


def test_two_cameras_are_two_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validating, "ask_camera", lambda camera: {"height": 64, "width": 256})
    left, right, other = ({"name": n, "source": "basler", "serial": s} for n, s in (("a", "41"), ("b", "41"), ("c", "42")))
    (text,) = found(tmp_path, cameras=[left, other, right])["cameras", "error"]
    assert "cameras a and b, serial 41" in text
    assert ("cameras", "error") not in found(tmp_path, cameras=[left, other])


def test_settings_of_a_training_alone_are_no_line(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("train: {profile: quick}\n")
    (finding,) = validating.validate(path).findings
    assert finding.status == "ok"


def test_a_line_without_cameras_and_a_file_that_is_no_configuration(tmp_path: Path) -> None:
    assert "no cameras" in found(tmp_path, cameras=[])["settings", "error"][0]
    (tmp_path / "line.yaml").write_text("line: {nam: v}\n")
    with pytest.raises(InputError, match=r"unknown key line\.nam"):
        validating.validate(tmp_path / "line.yaml")
