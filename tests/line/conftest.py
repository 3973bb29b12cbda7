"""A small model with a card, and cloth to look at, for tests of whole lines."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from calibration import calibrate_threshold, compile_bundle
from calibration.false_alarms import Budget
from calibration.good import GoodFrame, look
from calibration.threshold import Model, calibrate
from glass_core.config import TrainConfig
from glass_core.engines import BackendChoice, load_engine
from glass_core.network.checkpoint import ModelInfo, load_model, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition, score_image
from glass_core.pictures.tiling import Tiling
from pipeline.cameras.synthetic.weave import render
from pipeline.config.cameras import WeaveConfig

WIDTH_PX, ROWS = 256, 128
CLOTH = WeaveConfig.model_validate(
    {
        "name": "c",
        "source": "weave",
        "width_px": WIDTH_PX,
        "frame_rows": ROWS,
        "seed": 5,
        "mm_per_px_x": 0.2,
        "mm_per_px_y": 0.2,
    }
)


def good_frame(number: int) -> np.ndarray:
    """A frame of the cloth."""
    return render(CLOTH, number * ROWS, ROWS)


def make_model(folder: Path, card: bool = True, seed: int = 0, backend: BackendChoice = "torch") -> Path:
    """An untrained GLASS on the embedded filter bank: its scores mean nothing, but they are the same each time."""
    torch.set_num_threads(2)
    glass = Glass("embedded")
    glass.init_heads(torch.Generator().manual_seed(seed))
    glass.eval()
    definition = ScoreDefinition(tiling=Tiling(tile_px=128, overlap_px=32))
    tensors = tensors_of(glass)
    info = ModelInfo(
        arch="embedded", weights_sha=weights_sha(tensors), score=definition, config=TrainConfig(backbone="embedded"),
        split_digest="0" * 64, weights=None, textures="none", curve=(), versions={},
    )  # fmt: skip
    save_model(folder, tensors, info)
    if card:
        engine = load_engine(folder, backend=backend)  # torch is ready sooner than OpenVINO
        model = Model(
            weights_sha=engine.weights_sha, engine_sha=engine.sha, backbone="embedded", engine=engine.backend,
            score_definition=definition,
        )  # fmt: skip
        frames = []
        for n in range(30):
            level, texture = look(good_frame(n))
            lanes = score_image(engine, definition, good_frame(n))[1]
            frames.append(GoodFrame(lanes, level=level, texture=texture))
        calibrate(frames, model, Budget(per_1000_frames=20), "test").save(folder)
    return folder


def make_bundle(folder: Path, backend: BackendChoice) -> Path:
    """The small model as a bundle in fp32, with golden tiles and a card."""
    good = folder / "good"
    good.mkdir(parents=True)
    for n in range(30):
        cv2.imwrite(str(good / f"{n}.png"), good_frame(n))
    model = make_model(folder / "model", card=False)
    glass, info = load_model(model)
    save_model(model, tensors_of(glass), info.model_copy(update={"config": None, "split_digest": None}))
    calibrate_threshold(model, good, Budget(per_1000_frames=20))
    compile_bundle(model, folder / "bundle", backend, "fp32", good)
    return folder / "bundle"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with its card."""
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames, the fifth with a white bar."""
    folder = tmp_path_factory.mktemp("footage")
    for n in range(12):
        picture = good_frame(100 + n)
        if n == 4:
            picture[20:40, 100:140] = 255
        cv2.imwrite(str(folder / f"{n:03d}.png"), picture)
    return folder
