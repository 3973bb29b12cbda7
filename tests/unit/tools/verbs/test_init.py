"""`glassline init`: what it writes can be read, what is missing is told at once, and nothing is overwritten unasked."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.cameras import BaslerConfig, ReplayConfig
from pipeline.config.cards import load_config
from pipeline.config.motion import CameraMotion, ModbusMotion, SimulatedMotion, UdpMotion
from pipeline.config.outputs import ModbusConfig
from tests.shared_data import ROOT
from tools.cli import main
from tools.verbs import init


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cameras, and no terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(init, "_found", list)
    (tmp_path / "my footage").mkdir()
    return tmp_path


def words(**answers: Any) -> list[str]:
    given = {"kind": "replay", "name": "r", "footage": "my footage", "mm-per-px": 0.25, "width-mm": 900, "speed-m-min": 12,
             "outputs": "none"} | answers  # fmt: skip
    return ["init", *(word for key, value in given.items() if value is not None for word in (f"--{key}", str(value)))]


def live(kind: str, **answers: Any) -> list[str]:
    return words(**{"kind": kind, "footage": None, "encoder": "none"} | answers)


def test_a_folder_becomes_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words()) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: glassline validate line.yaml"
    line = load_config(Path("line.yaml"))
    (camera,) = line.cameras
    assert isinstance(camera, ReplayConfig) and camera.path == Path("my footage")
    assert (camera.mm_per_px_x, camera.mm_per_px_y, camera.inspect_x_mm) == (0.25, 0.25, (0, 900))
    assert isinstance(line.motion, SimulatedMotion) and line.motion.speed_mm_s == 200
    assert line.model is None and "# model:" in Path("line.yaml").read_text()


@pytest.mark.parametrize("name", ["yes", "null", "0123", "1e5", "1_000", "0x1F", "-a"])
def test_a_name_that_yaml_would_read_as_something_else(name: str) -> None:
    assert main([*words(name=None), f"--name={name}"]) == 0
    assert load_config(Path("line.yaml")).line.name == name


@pytest.mark.parametrize(
    "folder", ['a\'b "c" #d: e', "C:\\new\\t", "n\u00e9\U0001f600", "del\x7f", "nel\x85 ls\u2028x", "a\nb\tc"]
)
def test_any_folder_can_be_named(folder: str) -> None:
    Path(folder).mkdir()
    assert main(words(footage=folder)) == 0
    (camera,) = load_config(Path("line.yaml")).cameras
    assert isinstance(camera, ReplayConfig) and camera.path == Path(folder)


def test_a_folder_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a\udcff").mkdir()
    assert main(words(footage="a\udcff")) == 2
    assert "UTF-8" in capsys.readouterr().err and not list(Path().glob("*line.yaml*"))


def test_numbers_stand_as_they_were_said() -> None:
    command = live("area", **{"encoder": "udp,123456.789", "serials": "7", "mm-per-px": 0.12345678})
    assert main(command) == 0
    line = load_config(Path("line.yaml"))
    assert isinstance(line.motion, UdpMotion) and line.motion.counts_per_mm == 123456.789
    assert line.cameras[0].mm_per_px_x == 0.12345678


def test_lines_that_no_camera_can_take_have_no_period() -> None:
    assert main(live("line", **{"serials": "7", "mm-per-px": 0.001, "speed-m-min": 6000})) == 0
    (camera,) = load_config(Path("line.yaml")).cameras
    assert isinstance(camera, BaslerConfig) and camera.line_period_us is None


@pytest.mark.parametrize("host", ["plc:502", "192.168.0.300", "..", "-"])
def test_what_validate_calls_no_host_is_refused_at_once(host: str) -> None:
    assert main(words(outputs=f"modbus:{host}")) == 2
    assert not Path("line.yaml").exists()


def test_a_name_too_long_for_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    command = words()
    assert main([command[0], "n" * 300, *command[1:]]) == 2
    assert "too long" in capsys.readouterr().err


def test_line_scan_cameras_share_the_width(capsys: pytest.CaptureFixture[str]) -> None:
    command = [*live("line", encoder="camera,-20"), "--serials", "4001", "--serials", "4002", "--outputs", "modbus:10.0.0.7"]
    assert main([*command, "--outputs", "folder:/mes", "--model", "runs/r"]) == 0
    line = load_config(Path("line.yaml"))
    left, right = line.cameras
    assert isinstance(left, BaslerConfig) and left.serial == "4001" and left.rows and left.overlap_rows
    assert left.inspect_x_mm == (0, 450) and right.inspect_x_mm == (450, 900) and right.x_offset_mm == 450
    assert left.line_period_us == 1250 and left.encoder_chunk and not right.encoder_chunk  # type: ignore[union-attr]
    assert isinstance(line.motion, CameraMotion) and (line.motion.counts_per_mm, line.motion.max_speed_mm_s) == (-20, 200)
    assert isinstance(line.wired[0], ModbusConfig) and line.wired[0].host == "10.0.0.7" and line.wired[1].kind == "folder"
    assert line.actions and line.model == Path("runs/r")


@pytest.mark.parametrize(("encoder", "kind"), [("udp,4", UdpMotion), ("modbus:plc,4.5", ModbusMotion), ("none", type(None))])
def test_an_area_camera_with_any_encoder(encoder: str, kind: type) -> None:
    assert main([*live("area", encoder=encoder), "--serials", "7"]) == 0
    line = load_config(Path("line.yaml"))
    (camera,) = line.cameras
    assert isinstance(line.motion, kind) and camera.rows is None
    assert isinstance(camera, BaslerConfig) and (camera.trigger is None) is (encoder == "none")


def test_where_no_scale_is_known_lengths_stay_out() -> None:
    assert main(words(**{"mm-per-px": "unknown", "width-mm": None})) == 0
    (camera,) = load_config(Path("line.yaml")).cameras
    assert camera.mm_per_px_x is None and camera.inspect_x_mm is None


def test_what_is_there_stays_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("line.yaml").write_text("mine")
    assert main(words()) == 2
    assert "there is a file already, line.yaml" in capsys.readouterr().err and Path("line.yaml").read_text() == "mine"
    assert main([*words(), "--replace", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "config": "line.yaml", "cameras": ["cloth"]}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["init"], ["no Basler camera is found", "--kind area|line|replay"]),
        (
            ["init", "--kind", "replay"],
            ["--name NAME, --footage PATH, --mm-per-px MM, --width-mm MM, --speed-m-min", "--outputs"],
        ),
        (["init", "--kind", "line", "--mm-per-px", "unknown"], ["--name NAME, --serials SERIAL, --speed-m-min", "--encoder"]),
        (words(kind="webcam"), ["no such kind webcam", "area, line, replay"]),
        (words(footage="nowhere"), ["nothing there, --footage nowhere"]),
        (words(name="a/b"), ["--name a/b"]),
        (words(**{"mm-per-px": "nan"}), ["--mm-per-px nan"]),
        (words(**{"mm-per-px": "unknown"}), ["--width-mm does not belong"]),
        (words(outputs="telex:7"), ["no output is telex:7"]),
        (words(outputs="mqtt:a b"), ["no output is b"]),
        (words(outputs="mqtt:a/b"), ["no output is mqtt:a/b"]),
        (live("area", encoder="udp"), ["no encoder is udp"]),
        (live("area", encoder="udp,0"), ["no encoder is udp,0"]),
        (live("area", encoder="modbus,5"), ["no encoder is modbus,5"]),
        (live("area", encoder="modbus:tcp://plc,5"), ["no encoder is modbus:tcp://plc,5"]),
        (words(serials="1"), ["--serials does not belong"]),
        ([*words(), "no/such/folder/line.yaml"], ["not writable", "no/such/folder"]),
        ([*words(), "my footage"], ["a folder is there"]),
    ],
)
def test_bad_answers_are_one_line_and_nothing_is_written(
    command: list[str], said: list[str], elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--kind" in command and "area" in command:
        command = [*command, "--serials", "7"]
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("glassline: ") and err.count("\n") == 1 and all(part in err for part in said), err
    assert [path.name for path in elsewhere.rglob("*")] == ["my footage"]


def told(answers: str, *options: str) -> tuple[int, str]:
    """The exit status of a dialogue on a terminal, and what it showed."""
    ours, theirs = pty.openpty()
    code = "import sys; from tools.verbs import init; init._found = lambda: []; from tools.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "init", *options], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(theirs)
    shown = bytearray()

    def read() -> None:
        try:
            while part := os.read(ours, 4096):
                shown.extend(part)
        except OSError:  # how a terminal says that its other side is gone
            pass

    reader = threading.Thread(target=read)
    reader.start()
    os.write(ours, answers.encode())
    status = process.wait(60)
    reader.join()
    os.close(ours)
    return status, shown.decode()


def test_a_person_is_asked_and_asked_again_where_the_answer_is_none() -> None:
    status, shown = told("webcam\n\n\nmy footage\n0.5\n\n12\n\n")
    assert status == 0, shown
    assert "no such kind webcam" in shown and "[replay]" in shown and shown.count("Where do pictures come from") == 2
    line = load_config(Path("line.yaml"))
    (camera,) = line.cameras
    assert line.line.name == "replayed" and camera.mm_per_px_x == 0.5 and camera.inspect_x_mm is None


def test_what_an_option_says_is_not_asked_and_the_end_of_answers_is_told() -> None:
    status, shown = told("\x04", "--kind", "replay", "--name", "x")
    assert status == 2 and "no more answers" in shown and "Name of the line" not in shown and not Path("line.yaml").exists()
