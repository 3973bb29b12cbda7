"""Scores by OpenVINO on the CPU. Reading an engine that was written needs no torch, and takes a fraction of a second."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glass_core.engines.backend import Device, Runner, Tiles
from glass_core.engines.installed import nncf_library
from glass_core.errors import InputError
from glass_core.network.checkpoint import load_model

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else importing it reports to Intel's server
import openvino as ov  # noqa: E402

BUCKETS = (1, 4)
HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}
"""What is computed in where the network itself does not say: an int8 network says so for its convolutions."""
_BETWEEN = ["glassline", "between_products"]
"""Where an int8 network that is written says what is computed in between its products; without it, in HINTS."""
_FILES = ("engine.xml", "engine.bin")
_SUMS = ("aten::add/", "aten::upsample_bilinear2d/Interpolate")
"""How the names of what adds up the levels begin: what a trunk adds has the trunk's name before it."""
_COMPILED = "engine.{hint}.blob"
"""What was exported, with the hint that it was compiled by; a network that is written as _FILES is compiled otherwise, and its
scores differ in the last bit."""


def version() -> str:
    """See Backend."""
    return str(ov.__version__)


def device() -> Device:
    """See Backend."""
    core = ov.Core()
    formats = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return Device(name=str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip(), capability=" ".join(formats))


def precisions() -> tuple[str, ...]:
    """See Backend. What the processor would only emulate is not offered."""
    formats = device().capability.split()
    return tuple(name for name, of_cpu in (("fp32", "FP32"), ("fp16", "FP16"), ("bf16", "BF16"), ("int8", "INT8"))
                 if of_cpu in formats)  # fmt: skip


def prepare(run: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
    """See Backend."""
    if precision == "int8":
        raise InputError(f"int8 needs ranges measured on cloth, {run}, run `glassline compile {run} --precision int8`")
    return _compiled(_convert(run, shape), precision, threads)


def write(run: Path, examples: Tiles, precision: str, out: Path) -> Sequence[str]:
    """See Backend."""
    model = _convert(run, examples.shape[1:])
    if precision == "int8":
        model = _quantised(model, examples)
    try:
        ov.save_model(model, out / _FILES[0], compress_to_fp16=False)
    except RuntimeError as error:
        raise InputError(f"OpenVINO cannot write ({str(error).splitlines()[-1]}), {out}, make room there") from None
    return _FILES


def read(folder: Path, shape: tuple[int, ...], precision: str, threads: int | None) -> Runner:
    """See Backend."""
    blob = next(folder.glob(_COMPILED.format(hint="*")), None)
    if blob is None:
        return _compiled(ov.Core().read_model(folder / _FILES[0]), precision, threads)
    try:
        return Compiled(ov.Core().import_model(blob.read_bytes(), "CPU", _settings(blob.suffixes[0][1:], threads)))
    except RuntimeError as error:
        raise InputError(f"OpenVINO refuses the engine ({str(error).splitlines()[-1]}), {folder}, make it again") from None


def network(folder: Path, shape: tuple[int, ...]) -> ov.Model:
    """As it is compiled: what `write` left in the folder, or made of the run there."""
    written = folder / _FILES[0]
    return ov.Core().read_model(written) if written.exists() else _convert(folder, shape)


def _convert(run: Path, shape: tuple[int, ...]) -> ov.Model:
    import torch

    from glass_core.network.graph import ScoreGraph

    graph = ScoreGraph(load_model(run)[0])
    with warnings.catch_warnings():  # tracing warns of itself, and of shapes that are meant to be fixed
        warnings.simplefilter("ignore")
        example = torch.zeros((2, *shape), dtype=torch.uint8)
        return ov.convert_model(graph, example_input=example, input=ov.PartialShape([-1, *shape]))


def _quantised(model: ov.Model, examples: Tiles) -> ov.Model:
    """Weights and activations in int8, ranges from the examples.

    The last layer, a row of sums, stays as it is. So do the sums of levels before it: each would only be widened again to be
    added, and they are most of what is read and written (docs/measurements/speed.md).
    """
    nncf = nncf_library()
    nncf.set_log_level("ERROR")
    batches = [examples[n : n + 1] for n in range(len(examples))]
    ordered = model.get_ordered_ops()
    kept = [node.get_friendly_name() for node in ordered if node.get_type_name() == "Convolution"][-1:]
    kept += [name for name in (node.get_friendly_name() for node in ordered) if name.startswith(_SUMS)]
    quantised = nncf.quantize(
        model, nncf.Dataset(batches), subset_size=len(batches), ignored_scope=nncf.IgnoredScope(names=kept)
    )  # fmt: skip
    quantised.set_rt_info("bf16" if _multiplies_bf16() else HINTS["int8"], _BETWEEN)
    return quantised


def _multiplies_bf16() -> bool:
    """Whether the processor has instructions for it; where it has none OpenVINO offers bf16 all the same, and emulates it."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text()


def _compiled(model: ov.Model, precision: str, threads: int | None) -> Runner:
    return Compiled(ov.Core().compile_model(model, "CPU", settings(model, precision, threads)))


def settings(model: ov.Model, precision: str, threads: int | None) -> dict[str, str | int]:
    """What OpenVINO is told when it compiles a network."""
    between = str(model.get_rt_info(_BETWEEN).astype(str)) if model.has_rt_info(_BETWEEN) else HINTS[precision]
    return _settings(between, threads)


def _settings(hint: str, threads: int | None) -> dict[str, str | int]:
    settings: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return settings


class Compiled:
    """A compiled network; see Runner and Exportable."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._compiled = compiled

    def __call__(self, tiles: Tiles) -> NDArray[np.float32]:
        most = BUCKETS[-1]  # larger batches are not faster on a processor, and ask for more memory
        parts = [np.array(self._compiled(tiles[n : n + most])[0], dtype=np.float32) for n in range(0, len(tiles), most)]
        return np.concatenate(parts)  # (B, h/c, w/c)

    def export(self, out: Path) -> Sequence[str]:
        """See Exportable."""
        try:
            exported = self._compiled.export_model()
        except RuntimeError as error:
            raise InputError(f"OpenVINO cannot export ({str(error).splitlines()[-1]}), {out}, use the run") from None
        hint = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        blob = _COMPILED.format(hint=hint)
        (out / blob).write_bytes(exported.getvalue())
        return (blob,)
