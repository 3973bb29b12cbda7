"""`glassline doctor`: what this machine has, and whether a line can run on it."""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glass_core.backbones import BACKBONES
from glass_core.engines.backend import backend, choose
from glass_core.errors import MissingError

GIGE_RMEM_BYTES = 2 << 20
"""pylon's own advice for the receive buffer of GigE cameras."""
JUMBO_MTU = 8192
MIN_FREE_BYTES = 5 << 30
GIB = 1 << 30

Status = Literal["ok", "absent", "advice"]
STYLES: dict[Status, str] = {"ok": "green", "absent": "yellow", "advice": "cyan"}


class Part(BaseModel):
    """One part of the machine: there, absent, or there with advice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Status
    text: str
    facts: dict[str, Any] = {}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    p = subparsers.add_parser("doctor", help="what this machine has: GPU, engines, cameras, weights, network settings")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 if a line can run: an engine, a source of pictures, and a place for its sockets; MissingError else."""
    parts = examine(CHECKS)
    lacking = missing(parts)
    if args.json:
        body = {"schema": 1, "can_run": not lacking, "missing": lacking, "parts": [p.model_dump() for p in parts]}
        print(json.dumps(body))
    else:
        Console().print(table(parts))
    if lacking:
        raise MissingError(f"a line cannot run, this machine, {'; '.join(lacking)}")
    return 0


def examine(checks: dict[str, Callable[[], Part]]) -> list[Part]:
    """Every check; one that fails is an absent part, with the reason, and ends nothing."""
    parts = []
    for name, check in checks.items():
        try:
            parts.append(check())
        except Exception as e:  # a broken installation raises anything
            reason = (str(e).splitlines() or [type(e).__name__])[0]
            parts.append(Part(name=name, status="absent", text=reason))
    return parts


def missing(parts: list[Part]) -> list[str]:
    """What a line cannot do without and what to do about it; empty when one can run."""
    has = {p.name for p in parts if p.status != "absent"}
    needs = [
        (has & {"torch", "openvino"}, "no engine: pip install openvino torch"),
        (has & {"opencv", "pypylon"}, "no source of pictures: pip install opencv-python pypylon"),
        ("ipc folder" in has, "no place for sockets: set XDG_RUNTIME_DIR to a folder you may write, with a short path"),
    ]
    return [advice for there, advice in needs if not there]


def table(parts: list[Part]) -> Table:
    """For a person."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for part in parts:
        grid.add_row(Text(part.name), Text(part.status, style=STYLES[part.status]), Text(part.text))
    return grid


def _python() -> Part:
    system, machine = platform.system(), platform.machine()
    ok = (system, machine) == ("Linux", "x86_64")
    text = f"{platform.python_version()}, {system} {machine}" + ("" if ok else "; made for Linux x86-64")
    return Part(name="python", status="ok" if ok else "advice", text=text)


def _cpu() -> Part:
    info = Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in info.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = set(fields.get("flags", "").split())
    units = [name for flag, name in (("amx_tile", "AMX"), ("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags]
    cores = len(os.sched_getaffinity(0))
    text = f"{cores} cores usable, {fields.get('model name', 'unknown')}, {', '.join(units) or 'no vector units'}"
    return Part(name="cpu", status="ok", text=text, facts={"cores": cores, "amx": "AMX" in units})


def _memory() -> Part:
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kib = {row[0].rstrip(":"): int(row[1]) for row in rows}
    total, free = kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024
    return Part(
        name="memory",
        status="ok",
        text=f"{total / GIB:.1f} GiB, {free / GIB:.1f} GiB available",
        facts={"total_bytes": total, "available_bytes": free},
    )


def _gpu() -> Part:
    import pynvml

    pynvml.nvmlInit()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = [str(pynvml.nvmlDeviceGetName(h)) for h in handles]
        memory = [int(pynvml.nvmlDeviceGetMemoryInfo(h).total) for h in handles]
        driver = str(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()
    text = ", ".join(f"{name} {size / GIB:.0f} GiB" for name, size in zip(names, memory, strict=True))
    return Part(
        name="gpu",
        status="ok" if names else "absent",
        text=f"{text or 'none'}, driver {driver}",
        facts={"names": names, "driver": driver},
    )


def _torch() -> Part:
    import torch

    cuda = torch.cuda.is_available()
    return Part(
        name="torch",
        status="ok",
        text=f"{torch.__version__}, {'CUDA usable' if cuda else 'CPU only'}",
        facts={"version": torch.__version__, "cuda": cuda},
    )


def _openvino() -> Part:
    # OpenVINO's import reports to its maker over the network; without this module it keeps to itself.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is how an import is refused
    import openvino

    devices = openvino.Core().available_devices
    return Part(
        name="openvino",
        status="ok" if devices else "absent",
        text=f"{openvino.__version__}, {', '.join(devices) or 'no device'}",
        facts={"devices": devices},
    )


def _tensorrt() -> Part:
    torch_tensorrt = importlib.import_module("torch_tensorrt")
    return Part(name="torch-tensorrt", status="ok", text=str(torch_tensorrt.__version__))


def _nncf() -> Part:
    return Part(name="nncf", status="ok", text=f"{version('nncf')}: int8 engines can be compiled")


def _auto() -> Part:
    """What `auto` takes here, for a run and for `glassline compile`."""
    (of_run, why), (built, why_built) = choose("auto", built_ahead=False), choose("auto", built_ahead=True)
    text = f"{of_run} ({why}) for a RUN, {built} ({why_built}) to compile; {', '.join(backend(built).precisions())}"
    return Part(name="auto engine", status="ok", text=text, facts={"run": of_run, "compile": built})


def _opencv() -> Part:
    import cv2

    return Part(name="opencv", status="ok", text=f"{cv2.__version__}: pictures, woven cloth")


def _av() -> Part:
    return Part(name="av", status="ok", text=f"{version('av')}: replay of videos")


def _pypylon() -> Part:
    from pipeline.cameras.basler import list_devices

    devices = list_devices()
    named = [f"{d['model']} {d['serial']}" for d in devices if not d["emulated"]]
    text = ", ".join(named) or "no Basler camera found, serials 0815-0000 and on are emulated"
    return Part(name="pypylon", status="ok", text=f"{version('pypylon')}: {text}", facts={"cameras": devices})


def _libraries() -> Part:
    """System libraries that opencv and pylon load."""
    lacking = []
    for package, library in (("libgl1", "libGL.so.1"), ("libglib2.0-0", "libglib-2.0.so.0")):
        try:
            ctypes.CDLL(library)
        except OSError:
            lacking.append(package)
    text = f"apt-get install {' '.join(lacking)}" if lacking else "libGL and libglib are there"
    return Part(name="libraries", status="absent" if lacking else "ok", text=text, facts={"missing": lacking})


def _weights() -> Part:
    from glass_core.network.weights import find_weights

    wanted = [arch for arch, row in BACKBONES.items() if row.file]
    found = {arch: path for arch in wanted if (path := find_weights(arch, None)) is not None}
    text = ", ".join(f"{arch}: {found.get(arch, 'not found')}" for arch in wanted)
    advice = "" if found else "; set GLASSLINE_WEIGHTS to their folder, or use --backbone embedded"
    return Part(
        name="weights",
        status="ok" if found else "absent",
        text=text + advice,
        facts={arch: str(path) for arch, path in found.items()},
    )


def _network() -> Part:
    """Settings that decide whether GigE cameras lose packets; of no account for other cameras."""
    rmem = int(Path("/proc/sys/net/core/rmem_max").read_text())
    mtus = {
        p.parent.name: int(p.read_text())
        for p in sorted(Path("/sys/class/net").glob("*/mtu"))
        if (p.parent / "device").exists()
    }
    advice = []
    if rmem < GIGE_RMEM_BYTES:
        advice.append(f"sysctl -w net.core.rmem_max={GIGE_RMEM_BYTES}")
    advice += [f"ip link set {name} mtu 9000" for name, mtu in mtus.items() if mtu < JUMBO_MTU]
    shown = ", ".join([f"rmem_max {rmem}", *(f"{name} mtu {mtu}" for name, mtu in mtus.items())])
    text = shown + (f"; for GigE cameras: {'; '.join(advice)}" if advice else "")
    return Part(name="network", status="advice" if advice else "ok", text=text, facts={"rmem_max": rmem, "mtu": mtus})


def _disk() -> Part:
    free = shutil.disk_usage(Path.cwd()).free
    low = free < MIN_FREE_BYTES
    text = f"{free / GIB:.1f} GiB free here" + ("; a full disk puts the line into FAULT" if low else "")
    return Part(name="disk", status="advice" if low else "ok", text=text, facts={"free_bytes": free})


def _ipc() -> Part:
    """Make a socket where a line would; the kernel limits its path to 107 bytes."""
    from pipeline.supervision.supervisor import runtime_folder

    folder = runtime_folder("doctor")
    own = tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent)
    with own as place, socket.socket(socket.AF_UNIX) as probe:
        probe.bind(f"{place}/grabber-{'x' * 16}")
    return Part(name="ipc folder", status="ok", text=f"{folder.parent} is writable")


CHECKS: dict[str, Callable[[], Part]] = {
    "python": _python, "cpu": _cpu, "memory": _memory, "gpu": _gpu, "torch": _torch, "openvino": _openvino,
    "torch-tensorrt": _tensorrt, "nncf": _nncf, "auto engine": _auto, "opencv": _opencv, "av": _av,
    "pypylon": _pypylon, "libraries": _libraries, "weights": _weights, "network": _network, "disk": _disk, "ipc folder": _ipc,
}  # fmt: skip
