"""The unit of a line is one that systemd takes, and is written whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from pipeline.supervision import service
from tools.cli import main

BASLER = "cameras: [{name: a, source: basler, serial: '1', rows: 8}]"
PICTURES = "cameras: [{name: a, source: replay, path: p}]"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present one; the units' is in it, and glassline is installed beside a Python of its own."""
    here = tmp_path / "the mill 100%"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(service, "HIDDEN", ())
    monkeypatch.setattr(service, "UNITS", here / "units")
    (here / "units").mkdir()
    program = here / "bin" / "glassline"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    return here


def written(folder: Path, more: str = PICTURES, name: str = "loom-1") -> str:
    (folder / "line.yaml").write_text(f"line: {{name: {name}}}\n{more}\n")
    return "line.yaml"


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["service", *words]) == 0
    return capsys.readouterr().out


def settings(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.M):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("cameras", [BASLER, PICTURES])
def test_systemd_takes_it(folder: Path, capsys: pytest.CaptureFixture[str], cameras: str) -> None:
    unit = folder / "glassline-loom-1.service"
    unit.write_text(shown(capsys, written(folder, cameras + "\nledger: {path: 'the record/of 50%/l.sqlite'}")))
    said = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in said.stderr.splitlines() if "glassline" in line]
    assert not ours and said.returncode == 0, said.stderr
    broken = folder / "glassline-loom-2.service"
    broken.write_text(unit.read_text().replace("Type=notify", "Type=notifyy").replace("bin/glassline", "bin/nothing"))
    said = subprocess.run(["systemd-analyze", "verify", str(broken)], capture_output=True, text=True, timeout=60, check=False)
    assert "glassline-loom-2" in said.stderr  # it does look


def test_what_it_promises(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, written(folder), "--user", "weaver")
    found = settings(text)
    assert RawConfigParser(strict=False, delimiters="=").read_string(text) is None  # sections and settings, nothing else
    here = str(folder).replace("%", "%%")
    assert found["ExecStart"] == [f'"{here}/bin/glassline" run "{here}/line.yaml"']
    assert found["WorkingDirectory"] == [here] and found["ReadWritePaths"] == [f'"{here}/out"']
    assert (found["Type"], found["User"], found["KillMode"]) == (["notify"], ["weaver"], ["mixed"])
    assert (found["Restart"], found["RestartPreventExitStatus"]) == (["on-failure"], ["2 3"])
    assert found["RuntimeDirectory"] == ["glassline/loom-1"] and found["RuntimeDirectoryMode"] == ["0700"]
    assert found["DeviceAllow"] == ["char-nvidia* rw"] and "MemoryDenyWriteExecute" not in found


def test_it_may_write_only_what_the_line_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = f"{BASLER}\nledger: {{path: /var/lib/glassline/loom-1/l.sqlite}}"
    found = settings(shown(capsys, written(folder, more)))
    assert "ReadWritePaths" not in found and found["DeviceAllow"] == ["char-nvidia* rw", "char-usb_device rw"]
    more = f"{PICTURES}\nledger: {{path: a/l.sqlite}}\noutputs: [{{kind: publisher, bind: 'ipc:///run/elsewhere/p'}}]"
    found = settings(shown(capsys, written(folder, more)))
    assert found["ReadWritePaths"] == [f'"{folder}/a"'.replace("%", "%%"), "/run/elsewhere"]
    more = f"{PICTURES}\nledger: {{path: a/l.sqlite}}\noutputs: [{{kind: publisher}}, {{kind: folder, path: /mnt/mes}}]"
    found = settings(shown(capsys, written(folder, more)))
    assert found["ReadWritePaths"][1] == "-/mnt/mes"  # the line starts also where it is not mounted


def test_install_writes_it_and_says_what_comes_next(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, unit = shown(capsys, written(folder)), folder / "units/glassline-loom-1.service"
    assert not unit.exists()
    said = shown(capsys, "line.yaml", "--install")
    assert unit.read_text() == text and unit.stat().st_mode & 0o777 == 0o644
    steps = ["useradd --system glassline", "install -d -o glassline", "daemon-reload", "enable --now glassline-loom-1.service"]
    assert [said.index(step) for step in steps] == sorted(said.index(step) for step in steps)
    assert "as it was" not in said and "as it was" in shown(capsys, "line.yaml", "--install")
    assert json.loads(shown(capsys, "line.yaml", "--install", "--json"))["written"] is False


def test_another_unit_stays_unless_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unit = folder / "units/glassline-loom-1.service"
    unit.write_text("by hand\n")
    assert main(["service", written(folder), "--install"]) == 2
    assert "--replace" in capsys.readouterr().err and unit.read_text() == "by hand\n"
    shown(capsys, "line.yaml", "--install", "--replace")
    assert "ExecStart" in unit.read_text()
    unit.unlink()
    unit.symlink_to("/dev/null")  # `systemctl mask`
    assert main(["service", "line.yaml", "--install"]) == 2 and unit.is_symlink()


def test_nothing_half_written_stays(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(part: Path, mode: int) -> None:
        raise OSError(28, "No space left on device", str(part))

    config = written(folder)
    monkeypatch.setattr(Path, "chmod", full)
    assert main(["service", config, "--install"]) == 2
    assert "No space left" in capsys.readouterr().err and not list((folder / "units").iterdir())


def test_what_a_service_cannot_have_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(folder)
    assert main(["service", config, "--user", "a b"]) == 2
    assert main(["service", config, "--user", "root\nExecStartPre=evil"]) == 2
    monkeypatch.setattr(service, "HIDDEN", (folder,))
    assert main(["service", config]) == 2 and "/tmp of its own" in capsys.readouterr().err
    monkeypatch.setattr(sys, "executable", str(folder / "nowhere/python"))
    assert main(["service", config]) == 3 and "not installed" in capsys.readouterr().err
    monkeypatch.setattr(service, "HIDDEN", ())
    for odd in ('a"b', "a'b", "a\\b", "a$b", "a\nb"):
        shutil.copytree(folder / "bin", folder / odd / "bin")
        monkeypatch.setattr(sys, "executable", str(folder / odd / "bin/python"))
        assert main(["service", config]) == 2 and "cannot name" in capsys.readouterr().err
