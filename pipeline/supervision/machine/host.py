"""The machine itself: processor, memory, GPU, disk, network, and a place for sockets."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import tempfile
from pathlib import Path

from pipeline.supervision.machine.part import Part
from pipeline.supervision.runtime_folder import runtime_folder

GIGE_RMEM_BYTES = 2 << 20
"""pylon's own advice for the receive buffer of GigE cameras."""
JUMBO_MTU = 8192
MIN_FREE_BYTES = 5 << 30
GIB = 1 << 30


def find_python() -> Part:
    """The interpreter and the system it runs on."""
    system, machine = platform.system(), platform.machine()
    ok = (system, machine) == ("Linux", "x86_64")
    text = f"{platform.python_version()}, {system} {machine}" + ("" if ok else "; made for Linux x86-64")
    return Part(name="python", status="ok" if ok else "advice", text=text)


def find_cpu() -> Part:
    """Cores that this process may use, and the vector units that decide how fast an engine is."""
    info = Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in info.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = set(fields.get("flags", "").split())
    units = [name for flag, name in (("amx_tile", "AMX"), ("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags]
    cores = len(os.sched_getaffinity(0))
    text = f"{cores} cores usable, {fields.get('model name', 'unknown')}, {', '.join(units) or 'no vector units'}"
    return Part(name="cpu", status="ok", text=text, facts={"cores": cores, "amx": "AMX" in units})


def find_memory() -> Part:
    """Memory in all, and what is free of it."""
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kib = {row[0].rstrip(":"): int(row[1]) for row in rows}
    total, free = kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024
    return Part(
        name="memory",
        status="ok",
        text=f"{total / GIB:.1f} GiB, {free / GIB:.1f} GiB available",
        facts={"total_bytes": total, "available_bytes": free},
    )


def find_gpu() -> Part:
    """NVIDIA's devices and their driver."""
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


def find_network() -> Part:
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


def find_disk() -> Part:
    """Room where the program was started."""
    free = shutil.disk_usage(Path.cwd()).free
    low = free < MIN_FREE_BYTES
    text = f"{free / GIB:.1f} GiB free here" + ("; a full disk puts the line into FAULT" if low else "")
    return Part(name="disk", status="advice" if low else "ok", text=text, facts={"free_bytes": free})


def find_ipc_folder() -> Part:
    """Make a socket where a line would; the kernel limits its path to 107 bytes."""
    folder = runtime_folder("doctor")
    own = tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent)
    with own as place, socket.socket(socket.AF_UNIX) as probe:
        probe.bind(f"{place}/grabber-{'x' * 16}")
    return Part(name="ipc folder", status="ok", text=f"{folder.parent} is writable")
