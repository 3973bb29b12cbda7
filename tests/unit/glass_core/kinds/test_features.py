"""A defect's features are those of its own place, against the cloth around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glass_core.errors import InputError
from glass_core.kinds.features import CropFeatures, load_crop_features
from glass_core.network.checkpoint import ModelInfo, save_model, tensors_of, weights_sha
from glass_core.network.model import Glass
from glass_core.pictures.scoring import ScoreDefinition
from glass_core.pictures.tiling import Tiling
from tests.reviewed_run import BOXES, frame_of


@pytest.fixture(scope="module")
def trunk() -> CropFeatures:
    return CropFeatures(Glass("embedded").eval(), "sha")


def test_sides_come_first_the_longer_before_the_shorter(trunk: CropFeatures) -> None:
    for kind in ("bar", "patch"):
        x0, y0, x1, y1 = BOXES[kind]
        sides = sorted((x1 - x0, y1 - y0), reverse=True)
        assert np.exp(trunk.of(frame_of(kind, 1), BOXES[kind])[:2]) == pytest.approx(sides)


def test_the_place_of_the_box_counts(trunk: CropFeatures) -> None:
    picture = frame_of("spot", 1)
    on, beside = trunk.of(picture, BOXES["spot"]), trunk.of(picture, (168, 40, 192, 64))
    assert on.shape == beside.shape == (2 + 2 * (128 + 256),)
    means = slice(2, 2 + 128)
    assert np.abs(on[means]).mean() > 4 * np.abs(beside[means]).mean()


def test_grey_and_its_three_channels_are_alike(trunk: CropFeatures) -> None:
    picture = frame_of("patch", 2)
    np.testing.assert_allclose(
        trunk.of(picture, BOXES["patch"]), trunk.of(np.repeat(picture[..., None], 3, axis=2), BOXES["patch"]), atol=1e-5
    )


@pytest.mark.parametrize(("rows", "cols"), [(64, 96), (65, 97), (40, 100), (9, 9)])
def test_any_size_of_crop_and_a_box_that_fills_it(trunk: CropFeatures, rows: int, cols: int) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (rows, cols), np.uint8)
    assert np.isfinite(trunk.of(picture, (0, 0, cols, rows))).all()
    assert np.isfinite(trunk.of(picture, (cols - 1, rows - 1, cols, rows))).all()


@pytest.mark.parametrize("box", [(0, 0, 97, 10), (0, 0, 10, 65), (5, 5, 5, 9), (-1, 0, 4, 4)])
def test_a_box_outside_the_crop_is_refused(trunk: CropFeatures, box: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="outside a picture of 96 x 64 px"):
        trunk.of(np.zeros((64, 96), np.uint8), box)


def test_a_runs_own_trunk_is_taken_whatever_its_shrink(tmp_path: Path) -> None:
    glass = Glass("embedded", shrink=2).eval()
    tensors = tensors_of(glass)
    info = ModelInfo(
        arch="embedded", weights_sha=weights_sha(tensors), score=ScoreDefinition(tiling=Tiling(cell_px=16)), config=None,
        split_digest=None, weights=None, textures=None, curve=(), origin="nowhere", versions={},
    )  # fmt: skip
    save_model(tmp_path, tensors, info)
    loaded, picture = load_crop_features(tmp_path), frame_of("spot", 3)[:90, :130]
    assert loaded.weights_sha == info.weights_sha
    np.testing.assert_array_equal(loaded.of(picture, BOXES["spot"]), CropFeatures(glass, "").of(picture, BOXES["spot"]))
    with pytest.raises(InputError, match="no trained model"):
        load_crop_features(tmp_path / "none")
