"""What figures were taken on: processor, versions, GPU, and how busy the machine was meanwhile."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.telemetry import Gpu

LIBRARIES = ("torch", "openvino", "torch-tensorrt", "tensorrt", "nncf", "numpy", "opencv-python", "pyzmq", "pydantic")


def machine() -> dict[str, Any]:
    """The machine now; a library that is not here is left out."""
    cpu = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "cpu": cpu[0] if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "versions": versions,
        **Gpu().facts,
    }


class Busy:
    """How much of all cores was used between its making and `report`, by this program and by everything together."""

    def __init__(self) -> None:
        self._gpu, self._before = Gpu(), self._read()

    def _read(self) -> tuple[float, float, float]:
        """Jiffies of all cores: all, idle; and seconds of CPU of this process and the children it has waited for."""
        fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        own = os.times()
        return sum(fields), fields[3] + fields[4], own.user + own.system + own.children_user + own.children_system

    def report(self) -> dict[str, float]:
        """Shares of the machine's time, 0 to 1; `others_share` well above 0 means that the figures are too low."""
        total, idle, own_s = (now - then for now, then in zip(self._read(), self._before, strict=True))
        busy = 1 - idle / total if total else 0.0
        own = own_s * os.sysconf("SC_CLK_TCK") / total if total else 0.0
        return {"busy_share": round(busy, 3), "others_share": round(max(0.0, busy - own), 3), **self._gpu.read()}
