"""doctor tells what is there, survives what is not, and says whether a line can run."""

import argparse
import json
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from glass_core.errors import MissingError
from tools.verbs import doctor
from tools.verbs.doctor import CHECKS, Part, Status, examine, missing


def part(name: str, status: Status = "ok") -> Part:
    return Part(name=name, status=status, text="")


ABLE = ["openvino", "opencv", "ipc folder"]


@pytest.mark.parametrize(
    ("there", "lacking"),
    [
        (ABLE, []),
        (["torch", "pypylon", "ipc folder"], []),
        (["opencv", "ipc folder"], ["no engine"]),
        (["torch", "openvino", "ipc folder"], ["no source of pictures"]),
        (["torch", "opencv"], ["no place for sockets"]),
        ([], ["no engine", "no source of pictures", "no place for sockets"]),
    ],
)
def test_a_line_needs_an_engine_a_source_and_sockets(there: list[str], lacking: list[str]) -> None:
    parts = [part(name, "ok" if name in there else "absent") for name in CHECKS]
    assert [advice.split(":")[0] for advice in missing(parts)] == lacking


def test_a_check_that_fails_in_any_way_is_an_absent_part() -> None:
    def broken() -> Part:
        raise ZeroDivisionError

    def wordy() -> Part:
        raise OSError("libGL.so.1: cannot open\nsecond line")

    parts = examine({"a": broken, "b": wordy, "c": lambda: part("c")})
    assert [(p.name, p.status, p.text) for p in parts] == [
        ("a", "absent", "ZeroDivisionError"),
        ("b", "absent", "libGL.so.1: cannot open"),
        ("c", "ok", ""),
    ]


@pytest.mark.parametrize(
    ("check", "module"),
    [("torch", "torch"), ("openvino", "openvino"), ("torch-tensorrt", "torch_tensorrt"), ("opencv", "cv2"),
     ("gpu", "pynvml")],
)  # fmt: skip
def test_a_library_that_is_not_installed_is_a_line(monkeypatch: pytest.MonkeyPatch, check: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (found,) = examine({check: CHECKS[check]})
    assert (found.name, found.status) == (check, "absent")
    assert module in found.text


def test_every_check_gives_one_part_of_its_own_name() -> None:
    quick = {name: check for name, check in CHECKS.items() if name != "torch"}
    assert [p.name for p in examine(quick)] == list(quick)


def test_this_machine_is_read_from_its_own_words() -> None:
    parts = {p.name: p for p in examine({name: CHECKS[name] for name in ("cpu", "memory", "network", "disk")})}
    assert parts["cpu"].facts["cores"] >= 1
    assert 0 < parts["memory"].facts["available_bytes"] <= parts["memory"].facts["total_bytes"]
    assert parts["network"].facts["rmem_max"] == int(Path("/proc/sys/net/core/rmem_max").read_text())
    assert parts["disk"].facts["free_bytes"] > 0


def fake_nvml(names: list[str]) -> ModuleType:
    module = ModuleType("pynvml")
    calls: dict[str, Any] = {
        "nvmlInit": lambda: None, "nvmlShutdown": lambda: None, "nvmlDeviceGetCount": lambda: len(names),
        "nvmlDeviceGetHandleByIndex": lambda i: i, "nvmlDeviceGetName": lambda i: names[i],
        "nvmlDeviceGetMemoryInfo": lambda i: SimpleNamespace(total=80 << 30), "nvmlSystemGetDriverVersion": lambda: "570",
    }  # fmt: skip
    vars(module).update(calls)
    return module


@pytest.mark.parametrize(
    ("names", "status", "text"), [(["H200"], "ok", "H200 80 GiB, driver 570"), ([], "absent", "none, driver 570")]
)
def test_gpus(monkeypatch: pytest.MonkeyPatch, names: list[str], status: str, text: str) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(names))
    found = CHECKS["gpu"]()
    assert (found.status, found.text) == (status, text)


def test_little_room_on_the_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage(free=1 << 30))
    found = CHECKS["disk"]()
    assert found.status == "advice" and "1.0 GiB free" in found.text


@pytest.mark.parametrize(("depth", "there"), [(0, True), (120, False)])
def test_a_socket_path_too_long_for_the_kernel_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int, there: bool
) -> None:
    folder = tmp_path / ("x" * depth) if depth else Path("/tmp")
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    before = set(folder.iterdir())
    (found,) = examine({"ipc folder": CHECKS["ipc folder"]})
    assert (found.status == "ok") == there
    assert set(folder.iterdir()) == before


def test_weights_are_named_by_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet18-f37072fd.pth").touch()
    monkeypatch.setenv("GLASSLINE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    found = CHECKS["weights"]()
    assert found.facts == {"resnet18": str(tmp_path / "resnet18-f37072fd.pth")}
    assert "wide_resnet50_2: not found" in found.text


@pytest.mark.parametrize("able", [True, False])
def test_the_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], able: bool) -> None:
    names = ABLE if able else ["opencv"]
    monkeypatch.setattr(doctor, "CHECKS", {name: lambda name=name: part(name) for name in names})
    parser = argparse.ArgumentParser()
    doctor.add(parser.add_subparsers())
    args = parser.parse_args(["doctor", "--json"])
    if able:
        assert args.func(args) == 0
    else:
        with pytest.raises(MissingError, match=r"^a line cannot run, this machine, no engine: pip install"):
            args.func(args)
    body = json.loads(capsys.readouterr().out)
    assert (body["schema"], body["can_run"], [p["name"] for p in body["parts"]]) == (1, able, names)
    args = parser.parse_args(["doctor"])
    if able:
        args.func(args)
        assert "openvino" in capsys.readouterr().out
