"""Which of a network's layers OpenVINO's kernels hold, and how long each takes, as its own profile says.

See https://docs.openvino.ai, "Performance counters" and "Runtime model": a kernel lists the layers that were fused into it.
"""

import math
import re
from pathlib import Path

from glass_core.engines.backend import Tiles
from glass_core.engines.layers import Layer
from glass_core.engines.openvino_engine import network, ov, settings

_PRODUCTS = ("Convolution", "GroupConvolution", "MatMul")


class OpenVinoPass:
    """See Profiled. A kernel's time is told as the mean of all passes in whole microseconds."""

    def __init__(self, source: Path, tiles: Tiles, precision: str) -> None:
        model = network(source, tiles.shape[1:])
        compiled = ov.Core().compile_model(model, "CPU", {**settings(model, precision, None), "PERF_COUNT": True})
        self._tiles, self._compiled, self._passes = tiles, compiled, 0
        self._request = compiled.create_infer_request()
        model.reshape(list(tiles.shape))
        self._gmac = gmac_of(model)

    def __call__(self) -> object:
        self._passes += 1
        return self._request.infer([self._tiles], share_inputs=True)

    def layers(self) -> list[Layer]:
        """See Profiled."""
        return [self._layer(kernel) for kernel in self._kernels()]

    def spent_ms(self) -> list[float]:
        """See Profiled."""
        means = {told.node_name: told.real_time.total_seconds() * 1e3 for told in self._request.profiling_info}
        return [self._passes * means.get(kernel.get_friendly_name(), 0.0) for kernel in self._kernels()]

    def _kernels(self) -> list["ov.Node"]:
        """Those that compute, in the order of computing."""
        ordered = self._compiled.get_runtime_model().get_ordered_ops()
        return [op for op in ordered if _told(op, "layerType") not in ("Const", "Input", "Output")]

    def _layer(self, kernel: "ov.Node") -> Layer:
        names = _names(kernel)
        sources = [value.get_node() for value in kernel.input_values()]
        touched = [*kernel.input_values(), *kernel.outputs()]
        return Layer(
            module=_module(kernel),
            operations=tuple(dict.fromkeys(map(_operation, names))) or (_told(kernel, "layerType"),),
            output=_shape(kernel.output(0)),
            precision=_told(sources[0], "outputPrecisions").partition(",")[0],
            gmac=sum(self._gmac.get(name, 0.0) for name in names),
            moved_bytes=sum(math.prod(_shape(value)) * value.get_element_type().size for value in touched),
        )


def gmac_of(model: "ov.Model") -> dict[str, float]:
    """Multiply-adds in 1e9 of each layer that has any, by its name; shapes are fixed."""
    return {op.get_friendly_name(): _gmac(op) for op in model.get_ordered_ops() if op.get_type_name() in _PRODUCTS}


def _told(op: "ov.Node", key: str) -> str:
    told = op.get_rt_info()
    return str(told[key].astype(str)) if key in told else ""


def _shape(value: "ov.Output") -> tuple[int, ...]:
    """Empty where the runtime does not tell it."""
    shape = value.get_partial_shape()
    return () if shape.is_dynamic else tuple(shape.to_shape())


def _gmac(op: "ov.Node") -> float:
    """Of each number written: a convolution's weights of one output channel, or a row of a product."""
    left, right = (op.input_value(n).get_shape() for n in (0, 1))
    written = math.prod(op.output(0).get_shape())
    if op.get_type_name() == "MatMul":
        return written * left[-2 if op.get_attributes()["transpose_a"] else -1] / 1e9
    channels = math.prod(right[:2]) if op.get_type_name() == "GroupConvolution" else right[0]
    return written * math.prod(right) / channels / 1e9


def _names(kernel: "ov.Node") -> list[str]:
    """Of the graph's layers that it holds; none where the runtime put it in."""
    return list(filter(None, _told(kernel, "originalLayersNames").split(",")))


def _module(kernel: "ov.Node") -> str:
    """`__module.backbone.layer1.0.conv1/aten::_convolution/Convolution` is of backbone.layer1.0.conv1, and `aten::add/Add` of
    the head, which has no modules; what OpenVINO made itself belongs to what it reads."""
    names = _names(kernel)
    if found := re.search(r"__module\.([^/,]+)", ",".join(names)):
        return found[1]
    if any("aten::" in name for name in names) or not kernel.input_values():
        return "head"
    return _module(kernel.input_value(0).get_node())


def _operation(name: str) -> str:
    """The last word without its number; a change of number format is one however it is made."""
    last = name.rpartition("/")[2]
    return "Quantise" if last.startswith("fq_") else re.sub(r"_\d+$", "", last)
