"""The profile of an engine by layer: what is counted by hand, and that rows add up; how long they take is not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks
from torch.utils.module_tracker import ModuleTracker

from glass_core.engines import layers
from glass_core.engines.layers import Layer, MeanPass, mean_pass, profiled
from glass_core.engines.openvino_engine import ov
from glass_core.engines.openvino_layers import gmac_of
from glass_core.engines.subjects import drawn, gmac_per_image, random_run
from glass_core.engines.torch_layers import Operations
from glass_core.errors import InputError
from tools.cli import main

BACKENDS = ("torch", "openvino")


class Asymmetric(nn.Module):
    """No two sizes in it are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.grouped = nn.Conv2d(3, 8, (5, 3), stride=(2, 1)), nn.Conv2d(8, 12, 3, groups=4)
        self.rows = nn.Linear(19, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rows(self.grouped(self.wide(x)))


# (2, 3, 33, 23) -> (2, 8, 15, 21) -> (2, 12, 13, 19) -> (2, 12, 13, 7)
BY_HAND = [2 * 8 * 15 * 21 * 3 * 5 * 3 / 1e9, 2 * 12 * 13 * 19 * 2 * 3 * 3 / 1e9, 2 * 12 * 13 * 7 * 19 / 1e9]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    random_run("resnet18", 64, folder)
    return folder


@pytest.mark.filterwarnings("ignore")  # tracing warns of itself
def test_multiplications_of_a_network_are_those_by_hand() -> None:
    model = ov.convert_model(Asymmetric().eval(), example_input=torch.zeros(2, 3, 33, 23))
    model.reshape([2, 3, 33, 23])
    assert sorted(gmac_of(model).values()) == pytest.approx(sorted(BY_HAND))


@torch.inference_mode()
def test_multiplications_and_bytes_of_operations_are_those_by_hand() -> None:
    network = Asymmetric().eval()
    pictures = torch.zeros(2, 3, 33, 23)
    hooks = _global_forward_pre_hooks, _global_forward_hooks
    with ModuleTracker() as modules, Operations(modules) as operations:
        network(pictures)
    assert not any(hooks)  # one that stayed would slow down whatever the process does next
    counted = [layer for layer in operations.layers if layer.gmac]
    assert [layer.gmac for layer in counted] == pytest.approx(BY_HAND)
    assert [layer.module for layer in counted] == ["wide", "grouped", "rows"]
    read, weights, written = 2 * 3 * 33 * 23, 8 * 3 * 5 * 3 + 8, 2 * 8 * 15 * 21
    assert counted[0].moved_bytes == 4 * (read + weights + written)
    assert counted[0].output == (2, 8, 15, 21)


@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_are_those_of_the_graph(backend: str, run: Path) -> None:
    told = mean_pass(profiled(backend, run, drawn(3, (64, 64)), "fp32"), 0.01)
    assert sum(layer.gmac for layer in told.layers) == pytest.approx(3 * gmac_per_image(run), rel=1e-6), "batch of 3"
    assert 0 < sum(told.layer_ms) <= told.whole_ms * 1.01
    by_name = {layer.module: layer for layer in told.layers if layer.gmac}
    assert by_name["backbone.layer2.0.conv1"].output == (3, 128, 8, 8)
    assert by_name["backbone.layer2.0.conv1"].gmac == pytest.approx(3 * 128 * 8 * 8 * 64 * 9 / 1e9)
    heads = [layer for layer in told.layers if layer.module == "head"]
    assert sum(layer.gmac for layer in heads) > 3 * 64 * 768 * 1024 / 1e9
    assert {layer.module.partition(".")[0] for layer in told.layers} == {"normalise", "backbone", "head"}


def test_a_fused_kernel_is_named_by_what_it_holds(run: Path) -> None:
    told = mean_pass(profiled("openvino", run, drawn(2, (64, 64)), "fp32"), 0.01)
    (fused,) = (layer for layer in told.layers if layer.module == "backbone.layer1.1.conv2")
    assert fused.operations[0] == "Convolution" and {"Add", "Relu"} <= set(fused.operations)


class Clockwork:
    """Tells of each pass that it spent so many ms in each layer."""

    def __init__(self) -> None:
        self.passes = 0

    def __call__(self) -> None:
        self.passes += 1

    def layers(self) -> list[Layer]:
        return [Layer(name, ("x",), (1,), "f32", 0.0, 0) for name in ("slow", "nothing", "quick")]

    def spent_ms(self) -> list[float]:
        warm_up = 100.0  # the first pass is no part of the mean
        return [warm_up + 5.0 * self.passes, 0.0, warm_up + 0.25 * self.passes]


def test_the_mean_leaves_out_the_warm_up_and_what_computes_nothing() -> None:
    told = mean_pass(Clockwork(), 0.0)
    assert [layer.module for layer in told.layers] == ["slow", "quick"]
    assert told.layer_ms == pytest.approx([5.0, 0.25])
    assert MeanPass(told.layers, [5.0, 0.25], 7.0).outside_ms == pytest.approx(1.75)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_verb_tells_every_layer(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "--arch", "embedded", "--size", "64", "--backend", backend, "--layers", "--seconds", "0.01"]
    assert main([*words, "--json"]) == 0
    (point,) = json.loads(capsys.readouterr().out)["points"]
    assert point["whole_ms"] == pytest.approx(point["outside_ms"] + sum(row["ms"] for row in point["layers"]))
    for row in point["layers"]:
        assert row["share_of_ceiling"] == pytest.approx(row["gmac"] / row["ms"] * 1e3 / point["ceiling_gmac_per_s"])
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("outside the layers", "whole pass", "all layers", "GMAC/s"))


@pytest.mark.parametrize("words", [["--against"], ["--mode", "pipeline"], ["--plot", "plot.png"]])
def test_what_looks_elsewhere_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--layers", *words]) == 2
    assert "--layers looks into one engine" in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_backend_that_tells_no_times_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = np.zeros((1, 64, 64), np.uint8)
    with pytest.raises(InputError, match=r"^no times by layer from tensorrt on a GPU, the backend, use"):
        profiled("tensorrt", run, tiles, "fp16")
    real = layers.backend("torch").device()
    monkeypatch.setattr(layers.backend("torch"), "device", lambda: real.model_copy(update={"driver": "1"}))
    with pytest.raises(InputError, match=r"^no times by layer from torch on a GPU"):
        profiled("torch", run, tiles, "fp32")
