"""On a CUDA device: every backend and precision gives the eager network's scores, in every batch size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glass_core.config import TrainConfig
from glass_core.engines.backend import backend
from glass_core.engines.building import ALLOWED, prove_batches
from glass_core.errors import MissingError
from glass_core.network.checkpoint import ModelInfo, load_model, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition

SIDE_PX = 128

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore"),  # of torch-tensorrt and inductor
]


@pytest.fixture(scope="module", params=["embedded", "wide_resnet50_2"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, glass = tmp_path_factory.mktemp("run"), Glass(request.param).eval()
    glass.init_heads(torch.Generator().manual_seed(1))
    tensors = tensors_of(glass)
    info = ModelInfo(
        arch=request.param, weights_sha=weights_sha(tensors), score=ScoreDefinition(),
        config=TrainConfig(backbone=request.param, levels=(2, 3)), split_digest="", weights=None, textures="", curve=(),
        versions={},
    )  # fmt: skip
    save_model(folder, tensors, info)
    return folder


@pytest.mark.parametrize(
    ("name", "precision"),
    [("torch", "fp32"), ("torch", "fp16"), ("torch", "bf16"), ("tensorrt", "fp32"), ("tensorrt", "fp16")],
)
def test_the_engine_scores_as_the_network(run: Path, tmp_path: Path, name: str, precision: str) -> None:
    try:
        module = backend(name)
    except MissingError as error:
        pytest.skip(str(error))
    tiles = np.random.default_rng(2).integers(0, 256, (8, SIDE_PX, SIDE_PX), dtype=np.uint8)
    module.write(run, tiles, precision, tmp_path)
    folder = tmp_path if name == "tensorrt" else run
    runner = module.read(folder, (SIDE_PX, SIDE_PX), precision, None)
    with torch.inference_mode():
        wanted = load_model(run)[0](torch.from_numpy(tiles)).numpy()
    atol = 1e-4 if precision == "fp32" else ALLOWED[precision].moved
    np.testing.assert_allclose(runner(tiles), wanted, rtol=0, atol=atol)
    prove_batches(runner, tiles, module.BUCKETS, ALLOWED[precision].among_others)
    many = np.resize(tiles, (3 * module.BUCKETS[-1] + 5, SIDE_PX, SIDE_PX))  # several batches under way at once
    np.testing.assert_allclose(runner(many), np.resize(wanted, (len(many), *wanted.shape[1:])), rtol=0, atol=atol)
