"""Engines: every backend gives the network's scores, and is honest about what it is."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from glass_core.config import TrainConfig
from glass_core.engines import Engine, load_engine
from glass_core.errors import InputError, MissingError
from glass_core.network.checkpoint import ModelInfo, load_model, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling

DEFINITION = ScoreDefinition(tiling=Tiling(tile_px=64, overlap_px=16), inspect_x_px=(8, 500))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, glass = tmp_path_factory.mktemp("run"), Glass("embedded").eval()
    glass.init_heads(torch.Generator().manual_seed(1))
    tensors = tensors_of(glass)
    info = ModelInfo(
        arch="embedded",
        weights_sha=weights_sha(tensors),
        score=DEFINITION,
        config=TrainConfig(backbone="embedded"),
        split_digest="",
        weights=None,
        textures="procedural",
        curve=(),
        versions={},
    )
    save_model(folder, tensors, info)
    return folder


@pytest.fixture(scope="module", params=["torch", "openvino"])
def engine(run: Path, request: pytest.FixtureRequest) -> Engine:
    return load_engine(run, backend=request.param)


def tiles(count: int, colour: bool = False) -> NDArray[np.uint8]:
    shape = (count, 64, 64, 3) if colour else (count, 64, 64)
    return np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("colour", [False, True])
def test_scores_are_the_networks(run: Path, engine: Engine, colour: bool) -> None:
    scores = engine.score(tiles(3, colour))
    assert (scores.shape, scores.dtype) == ((3, 8, 8), np.float32)
    wanted = load_model(run)[0](torch.from_numpy(tiles(3, colour)))
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-5)


def test_a_tile_scores_the_same_in_any_batch(engine: Engine) -> None:
    np.testing.assert_allclose(engine.score(tiles(3)[1:2]), engine.score(tiles(3))[1:2], rtol=0, atol=1e-5)


def test_scores_stay_when_the_next_batch_is_scored(engine: Engine) -> None:
    first = engine.score(tiles(2))
    kept = first.copy()
    engine.score(255 - tiles(2))
    np.testing.assert_array_equal(first, kept)


def test_an_engine_says_what_it_is(run: Path, engine: Engine) -> None:
    info = load_model(run)[1]
    assert engine.definition == DEFINITION
    assert engine.weights_sha == info.weights_sha
    assert engine.precision == "fp32"  # auto never trades accuracy
    assert engine.backend in ("torch", "openvino")
    assert engine.device == ("cuda" if engine.backend == "torch" and torch.cuda.is_available() else "cpu")


def test_the_hash_tells_backends_and_precisions_apart(run: Path) -> None:
    hashes = [load_engine(run, b, p).sha for b in ("torch", "openvino") for p in ("fp32", "bf16")]
    assert len(set(hashes)) == 4
    assert load_engine(run, "torch").sha == hashes[0]


def test_bf16_is_near_and_is_not_fp32(run: Path) -> None:
    full, half = (load_engine(run, "torch", precision).score(tiles(2)) for precision in ("fp32", "bf16"))
    assert 0 < np.abs(full - half).max() < 0.05


def test_without_openvino_auto_takes_torch_and_openvino_is_missing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "glass_core.engines.openvino_engine", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_engine(run).backend == "torch"
    with pytest.raises(MissingError, match="openvino"):
        load_engine(run, "openvino")


def test_auto_takes_openvino_where_there_is_no_gpu(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_engine(run).backend == "openvino"


def test_openvino_reports_to_nobody(run: Path) -> None:
    load_engine(run, "openvino")
    assert sys.modules["openvino_telemetry"] is None


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained model"):
        load_engine(tmp_path)


def test_threads_are_limited(run: Path) -> None:
    before = torch.get_num_threads()
    try:
        load_engine(run, "torch", threads=1).score(tiles(1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
