"""A machine is told as it is, survives what is not there, and says whether a line can run."""

import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from glass_core.engines import installed
from pipeline.supervision.machine import host, software
from pipeline.supervision.machine.examination import CHECKS, Machine, examine
from pipeline.supervision.machine.part import Part, Status


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
    machine = Machine(parts=tuple(part(name, "ok" if name in there else "absent") for name in CHECKS))
    assert [advice.split(":")[0] for advice in machine.missing] == lacking


def test_a_check_that_fails_in_any_way_is_an_absent_part() -> None:
    def broken() -> Part:
        raise ZeroDivisionError

    def wordy() -> Part:
        raise OSError("libGL.so.1: cannot open\nsecond line")

    machine = examine({"a": broken, "b": wordy, "c": lambda: part("c")})
    assert [(p.name, p.status, p.text) for p in machine.parts] == [
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
    (found,) = examine({check: CHECKS[check]}).parts
    assert (found.name, found.status) == (check, "absent")
    assert module in found.text


def auto_precisions() -> list[str]:
    (part,) = examine({"auto engine": CHECKS["auto engine"]}).parts
    return part.text.rsplit("; ", 1)[-1].split(", ")


def test_int8_is_claimed_where_it_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """nncf and OpenVINO are both needed: with one alone neither row says that int8 engines can be compiled."""
    formats = ["FP32", "INT8", "BF16"]
    engine = SimpleNamespace(precisions=lambda: tuple(f.lower() for f in formats))
    nncf = ModuleType("nncf")
    nncf.__version__ = "9.9"  # type: ignore[attr-defined]
    for module in (software, installed):
        monkeypatch.setattr(module, "backend", lambda name: engine)
    monkeypatch.setattr(software, "choose", lambda asked, built_ahead: ("openvino", "why"))
    monkeypatch.setitem(sys.modules, "nncf", nncf)
    (found,) = examine({"nncf": CHECKS["nncf"]}).parts
    assert (found.status, found.text) == ("ok", "9.9: int8 engines can be compiled")
    assert auto_precisions() == ["fp32", "int8", "bf16"]

    formats.remove("INT8")
    (found,) = examine({"nncf": CHECKS["nncf"]}).parts
    assert found.status == "advice" and found.text.startswith("9.9, but no int8 engine can be compiled: OpenVINO does not")
    assert auto_precisions() == ["fp32", "bf16"]

    formats.append("INT8")
    monkeypatch.setitem(sys.modules, "nncf", None)
    (found,) = examine({"nncf": CHECKS["nncf"]}).parts
    assert found.status == "absent" and "pip install 'glassline[int8]'" in found.text
    assert auto_precisions() == ["fp32", "bf16"]


def test_every_check_gives_one_part_of_its_own_name() -> None:
    quick = {name: check for name, check in CHECKS.items() if name not in ("torch", "nncf", "auto engine")}
    assert [p.name for p in examine(quick).parts] == list(quick)


def test_this_machine_is_read_from_its_own_words() -> None:
    parts = {p.name: p for p in examine({name: CHECKS[name] for name in ("cpu", "memory", "network", "disk")}).parts}
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
    monkeypatch.setattr(host.shutil, "disk_usage", lambda path: usage(free=1 << 30))
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
    (found,) = examine({"ipc folder": CHECKS["ipc folder"]}).parts
    assert (found.status == "ok") == there
    assert set(folder.iterdir()) == before


def test_weights_are_named_by_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet18-f37072fd.pth").touch()
    monkeypatch.setenv("GLASSLINE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    found = CHECKS["weights"]()
    assert found.facts == {"resnet18": str(tmp_path / "resnet18-f37072fd.pth")}
    assert "wide_resnet50_2: not found" in found.text
