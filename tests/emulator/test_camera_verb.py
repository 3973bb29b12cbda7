"""`glassline camera`: what it finds, what it measures, what it draws."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from glass_core.pictures.reading import read_image
from pipeline.cameras import CameraLost, basler, look
from pipeline.cameras.basler import BaslerCamera
from pipeline.cameras.look import Look
from pipeline.cameras.picture import write_png
from tools.cli import main
from tools.verbs import camera

os.environ.setdefault("PYLON_CAMEMU", "2")  # before pylon's factory exists


def config(tmp_path: Path, *cameras: str) -> str:
    path = tmp_path / "line.yaml"
    path.write_text("cameras:\n" + "".join(f"  - {c}\n" for c in cameras))
    return str(path)


WOVEN = "{name: cloth, source: weave, width_px: 128, frame_rows: 64}"


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["camera", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["schema"] == 1
    assert {"serial": "0815-0001", "model": "Emulation", "class": "BaslerCamEmu", "emulated": True} in listed["cameras"]
    assert main(["camera", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(listed["cameras"]) and any("0815-0000" in line and "emulated" in line for line in lines)


def test_list_of_none_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basler, "list_devices", lambda: [])
    assert main(["camera", "list"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "no Basler camera found" in shown.err


def test_view_writes_picture_and_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    png = tmp_path / "view.png"
    assert main(["camera", "view", "cloth", "--config", config(tmp_path, WOVEN), "--png", str(png)]) == 0
    drawn = read_image(png)
    assert drawn.shape[1] == 128 and drawn.shape[0] > 64 + 255
    assert "128 x 64" in capsys.readouterr().out and "focus" in str(Look.at(drawn))


def test_view_of_a_serial_without_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["camera", "view", "0815-0001"]) == 0
    assert read_image(tmp_path / "0815-0001.png").shape[1] == 1024


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("right", "no camera right.*cloth"),
        ("empty", "no images in the folder"),
        ("no-such-serial", None),
        ("a/b", None),
    ],
)
def test_view_of_what_is_not_there(tmp_path: Path, name: str, said: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none").mkdir()
    empty = f"{{name: empty, source: replay, path: {tmp_path / 'none'}}}"
    where = ["--config", config(tmp_path, WOVEN, empty)] if said else []
    assert main(["camera", "view", name, *where, "--png", str(tmp_path / "x.png")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("glassline: ") and error.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


def test_view_of_a_camera_that_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(look, "PATIENCE_S", 0.0)
    wired = '{name: w, source: basler, serial: "0815-0000", trigger: {source: Line1}}'
    assert main(["camera", "view", "w", "--config", config(tmp_path, wired), "--png", str(tmp_path / "x.png")]) == 2
    assert "no whole picture within" in capsys.readouterr().err


def test_view_of_a_camera_that_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(self: BaslerCamera) -> None:
        raise CameraLost("was removed")

    monkeypatch.setattr(BaslerCamera, "trigger", gone)
    assert main(["camera", "view", "0815-0000", "--png", str(tmp_path / "x.png")]) == 2
    assert "camera lost: was removed" in capsys.readouterr().err


def test_bars_stand_for_grey_levels() -> None:
    lines = camera.bars(np.array([0.0, 127.5, 255.0]), 3)
    assert len(lines) == camera.PROFILE_ROWS
    assert ["".join(line[i] for line in lines) for i in range(3)] == [" " * 8, " " * 4 + "█" * 4, "█" * 8]


def test_live_view_shows_each_picture_until_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "REFRESH_S", 0)
    for level in (0, 255):
        write_png(tmp_path / f"{level}.png", np.full((40, 80), level, np.uint8))
    found = look.find_camera("f", Path(config(tmp_path, f"{{name: f, source: replay, path: {tmp_path}}}")))
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=30, color_system="truecolor")
    camera.watch(found, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "38;2;0;0;0" in shown and "38;2;255;255;255" in shown and "saturated 100.00 %" in shown
