"""Looks at every part of this machine, and says whether a line can run on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict

from pipeline.supervision.machine import host, software
from pipeline.supervision.machine.part import Part

CHECKS: dict[str, Callable[[], Part]] = {
    "python": host.find_python, "cpu": host.find_cpu, "memory": host.find_memory, "gpu": host.find_gpu,
    "torch": software.find_torch, "openvino": software.find_openvino, "torch-tensorrt": software.find_tensorrt,
    "nncf": software.find_nncf, "auto engine": software.find_auto_engine, "opencv": software.find_opencv,
    "av": software.find_av, "pypylon": software.find_pypylon, "libraries": software.find_libraries,
    "weights": software.find_trunk_weights, "network": host.find_network, "disk": host.find_disk,
    "ipc folder": host.find_ipc_folder,
}  # fmt: skip


class Machine(BaseModel):
    """The parts of this machine, in the order of CHECKS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...]

    @property
    def missing(self) -> list[str]:
        """What a line cannot do without and what to do about it; empty when one can run."""
        has = {p.name for p in self.parts if p.status != "absent"}
        needs = [
            (has & {"torch", "openvino"}, "no engine: pip install openvino torch"),
            (has & {"opencv", "pypylon"}, "no source of pictures: pip install opencv-python pypylon"),
            ("ipc folder" in has, "no place for sockets: set XDG_RUNTIME_DIR to a folder you may write, with a short path"),
        ]
        return [advice for there, advice in needs if not there]


def examine(checks: Mapping[str, Callable[[], Part]] = CHECKS) -> Machine:
    """Every part of this machine that matters to a line.

    A check that fails makes an absent part, with the reason, and ends nothing.

    >>> machine = examine()
    >>> [(part.name, part.status) for part in machine.parts][:2]
    [('python', 'ok'), ('cpu', 'ok')]
    """
    return Machine(parts=tuple(_part(name, check) for name, check in checks.items()))


def _part(name: str, check: Callable[[], Part]) -> Part:
    try:
        return check()
    except Exception as e:  # a broken installation raises anything
        return Part(name=name, status="absent", text=(str(e).splitlines() or [type(e).__name__])[0])
