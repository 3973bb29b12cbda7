"""A run exported to ONNX gives the same scores at any size; slow, for the exporter takes its time."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from glass_core.network.checkpoint import ModelInfo, load_model, read_info, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from tools.cli import main

pytestmark = pytest.mark.full


@pytest.fixture(params=[(1, (2, 3)), (3, (2, 3)), (1, (1, 2, 3))], ids=["as it comes", "shrunk", "three levels"])
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    torch.manual_seed(0)
    shrink, levels = request.param
    glass = Glass("resnet18", shrink, levels)
    glass.init_heads(torch.Generator().manual_seed(0))
    tensors = tensors_of(glass)
    tiling = {"tile_px": 288, "overlap_px": 24 * shrink, "cell_px": glass.cell_px}
    score = ScoreDefinition(tiling=Tiling.model_validate(tiling))
    info = ModelInfo(
        arch="resnet18", levels=levels, weights_sha=weights_sha(tensors), score=score, config=None, split_digest=None,
        weights=None, textures=None, curve=(), versions={},
    )  # fmt: skip
    save_model(tmp_path / "run", tensors, info)
    return tmp_path / "run"


def test_onnx_gives_the_same_scores_at_any_size(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    path = tmp_path / "model.onnx"
    assert main(["convert", str(run), str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arch"] == "resnet18"
    model = onnx.load(str(path))
    onnx.checker.check_model(model)
    metadata = {each.key: each.value for each in model.metadata_props}
    assert metadata["weights_sha"] == read_info(run).weights_sha
    assert ScoreDefinition.model_validate_json(metadata["score"]) == read_info(run).score
    from glass_core.engines.openvino_engine import ov

    compiled = ov.Core().compile_model(ov.Core().read_model(str(path)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    glass, _ = load_model(run)
    for shape in ((1, 96, 96, 3), (3, 96, 192, 3)):
        tiles = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        with torch.no_grad():
            expected = glass(torch.from_numpy(tiles)).numpy()
        assert np.ptp(expected) > 0.01
        np.testing.assert_allclose(compiled(tiles)[0], expected, atol=1e-5)
