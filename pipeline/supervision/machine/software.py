"""The libraries that a line uses, and the weights of its trunks."""

from __future__ import annotations

import ctypes
from importlib.metadata import version

from glass_core.backbones import BACKBONES
from glass_core.engines.backend import backend, choose
from glass_core.engines.installed import nncf_library, openvino_library, tensorrt_library, torch_library, without_int8
from pipeline.supervision.machine.part import Part


def find_torch() -> Part:
    """torch, and whether it can use a GPU."""
    number, cuda = torch_library()
    text = f"{number}, {'CUDA usable' if cuda else 'CPU only'}"
    return Part(name="torch", status="ok", text=text, facts={"version": number, "cuda": cuda})


def find_openvino() -> Part:
    """OpenVINO and its devices."""
    number, devices = openvino_library()
    text = f"{number}, {', '.join(devices) or 'no device'}"
    return Part(name="openvino", status="ok" if devices else "absent", text=text, facts={"devices": devices})


def find_tensorrt() -> Part:
    """torch-tensorrt, for machines with a GPU."""
    return Part(name="torch-tensorrt", status="ok", text=tensorrt_library())


def find_nncf() -> Part:
    """nncf, and whether int8 engines can be compiled with what else is here."""
    number = nncf_library().__version__
    if why := without_int8():
        return Part(name="nncf", status="advice", text=f"{number}, but no int8 engine can be compiled: {why}")
    return Part(name="nncf", status="ok", text=f"{number}: int8 engines can be compiled")


def find_auto_engine() -> Part:
    """What `auto` takes here, for a run and for `glassline compile`, and the precisions that can be compiled."""
    (of_run, why), (built, why_built) = choose("auto", built_ahead=False), choose("auto", built_ahead=True)
    precisions = [p for p in backend(built).precisions() if p != "int8" or not without_int8()]
    text = f"{of_run} ({why}) for a RUN, {built} ({why_built}) to compile; {', '.join(precisions)}"
    return Part(name="auto engine", status="ok", text=text, facts={"run": of_run, "compile": built})


def find_opencv() -> Part:
    """OpenCV, for every source but a Basler camera."""
    import cv2

    return Part(name="opencv", status="ok", text=f"{cv2.__version__}: replay of pictures, woven cloth")


def find_pyav() -> Part:
    """PyAV, for videos."""
    return Part(name="av", status="ok", text=f"{version('av')}: replay of videos")


def find_pypylon() -> Part:
    """pylon, and the Basler cameras that it finds."""
    from pipeline.cameras.basler import list_devices

    devices = list_devices()
    named = [f"{d['model']} {d['serial']}" for d in devices if not d["emulated"]]
    text = ", ".join(named) or "no Basler camera found, serials 0815-0000 and on are emulated"
    return Part(name="pypylon", status="ok", text=f"{version('pypylon')}: {text}", facts={"cameras": devices})


def find_libraries() -> Part:
    """System libraries that opencv and pylon load."""
    lacking = []
    for package, library in (("libgl1", "libGL.so.1"), ("libglib2.0-0", "libglib-2.0.so.0")):
        try:
            ctypes.CDLL(library)
        except OSError:
            lacking.append(package)
    text = f"apt-get install {' '.join(lacking)}" if lacking else "libGL and libglib are there"
    return Part(name="libraries", status="absent" if lacking else "ok", text=text, facts={"missing": lacking})


def find_trunk_weights() -> Part:
    """Published weights that are on this machine, by backbone."""
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
